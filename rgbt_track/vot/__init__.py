"""The tracker under the VOT toolkit: its TraX process, workspaces, and running the toolkit.

The toolkit itself stays a separate program that is only ever run, never imported.
"""

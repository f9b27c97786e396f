"""``python -m rgbt_track`` is the ``rgbt-track`` command."""

from rgbt_track.cli import main

if __name__ == "__main__":
    main()

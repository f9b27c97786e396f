"""What the package computes, pinned in ``reference.json``: moved code must not change it.

``cd tests && python -m pinned`` writes the file anew. Do that only when a result is meant to
change, and say in the commit which one and why. Everything here goes through public names and the
command line, on sequences that ``rgbt-track data synthesize`` draws from a fixed seed.

The numbers come from torch 2.15, OpenCV 5.0 and numpy 2.4 on x86-64. Other processors and builds
add in another order, and other builds of OpenCV may decode a JPEG or scale a picture one gray
level differently; ``test_pinned.py`` has tolerances for the former. Where a build exceeds them,
write the file with that build at a commit that is known to be good, and compare from there.
"""

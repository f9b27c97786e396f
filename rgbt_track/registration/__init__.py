"""Registration of two fixed cameras: the homography from the thermal to the visible frame."""

"""Video files and network streams, decoded and encoded by PyAV."""

"""Files, images, frames and videos: what is read from and written to the outside."""

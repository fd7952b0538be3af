"""Images: download, formats, and the two image stores."""

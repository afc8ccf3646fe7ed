"""What the writer runs. Each function takes the details of one change and returns the change itself."""

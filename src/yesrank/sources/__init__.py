"""Where a checkpoint's tensors come from: the files of many programs, read one matrix or a few rows at a time."""

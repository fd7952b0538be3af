"""The use cases, one a file: what happens to a job, told in the words of the ports."""

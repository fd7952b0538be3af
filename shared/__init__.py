"""What the functions ship with: the job, its steps, and the adapters to Wireflow, to the stores and to the images."""

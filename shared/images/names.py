"""Names of input images: `inputs/{jobId}`, or the same with `.` or `-` and more after it."""


def is_input_of(job_id: str, name: str) -> bool:
    """Return whether `name` is that of an input image of the job."""
    head, _, rest = name.partition(job_id)
    return bool(job_id) and head == "inputs/" and rest[:1] in ("", ".", "-")

"""The job stores: one port, two stores."""

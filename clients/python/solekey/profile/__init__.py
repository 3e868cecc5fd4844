"""What one device of one account keeps on disk: `profile`, in a `files.private_folder`. Spec: keys.md §7."""

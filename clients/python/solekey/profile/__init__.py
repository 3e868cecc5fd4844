"""What one device of one account keeps on disk: `profile`, in a `private_folder`. Spec: keys.md §7."""

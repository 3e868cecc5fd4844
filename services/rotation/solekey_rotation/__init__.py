"""The rotation service: policies, due dates and rotation sagas."""

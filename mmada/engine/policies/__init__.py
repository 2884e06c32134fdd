"""Policy files, and what a policy would do."""

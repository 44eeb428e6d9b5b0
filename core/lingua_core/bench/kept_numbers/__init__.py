"""What compression leaves of arithmetic."""

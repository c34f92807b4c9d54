"""Set-up and drawing; not part of the product."""

"""Training of the networks of LIM-Net: click, propagation, quality."""

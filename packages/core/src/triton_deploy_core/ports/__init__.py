"""What the core needs from the outside, and what every adapter promises."""

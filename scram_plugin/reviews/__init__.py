"""From training runs to reviews: one or many, once or live, here or on other machines."""

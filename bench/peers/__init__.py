"""What the product is compared with. Node and C are used here only."""

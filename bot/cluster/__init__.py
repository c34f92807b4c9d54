"""What raw objects of the cluster say, pure, and in one place: labels, images, owners, subsets, routes, annotations."""

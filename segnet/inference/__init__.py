"""Using a trained network: predictions for images and folders, and scores of a split."""

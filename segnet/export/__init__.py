"""Files for other programs: ONNX, torch.export, and a folder for a model hub, each checked against the network."""

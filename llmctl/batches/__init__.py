"""Requests without hurry: files of them, kept on disk, and the lane in which the gateway works them off."""

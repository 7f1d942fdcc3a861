"""Audio, video and picture files to arrays and back; numpy only."""

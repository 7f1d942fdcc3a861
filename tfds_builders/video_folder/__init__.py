"""Any folder of videos."""

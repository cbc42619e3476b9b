"""Many servers that read one repository, told the same: `fleet.Fleet`, a composite of the port."""

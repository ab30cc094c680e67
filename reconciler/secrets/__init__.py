"""What keeps secrets: keys today; schemes that resolve references come here, one file each."""

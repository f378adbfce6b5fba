"""The commands of ``appliance oversight``, a file each; nothing imports them but the group."""

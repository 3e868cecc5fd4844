"""How the client writes to a disk: one way for whole files, one lock, one folder for its owner alone.

`whole_file` a file that appears when it is whole · `private_folder` a profile's folder · `locks` one program
at a time · `disk_room` full disks · `text` what a file says. Nothing here knows what is in the files.
"""

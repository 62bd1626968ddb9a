# Events of a database that is not in place must not run. For sed, on the lines of a dump that make one: an event that is
# enabled gets the status that a replica gives to those of its primary, and back. One that has that status by itself is told
# by a word in its comment meanwhile.
events_of='^\/\*!50106 CREATE\*\/.* EVENT '
events_when='\( ON COMPLETION .*PRESERVE\)'
# shellcheck disable=SC2034
events_off="/$events_of/{
s/$events_when DISABLE ON [A-Z]* COMMENT '/\\1 DISABLE ON SLAVE COMMENT 'relay-backup-replica /
t
s/$events_when DISABLE ON [A-Z]* DO /\\1 DISABLE ON SLAVE COMMENT 'relay-backup-replica' DO /
t
s/$events_when ENABLE /\\1 DISABLE ON SLAVE /
}"
# shellcheck disable=SC2034
events_on="/$events_of/{
s/$events_when DISABLE ON [A-Z]* COMMENT 'relay-backup-replica' DO /\\1 DISABLE ON SLAVE DO /
t
s/$events_when DISABLE ON [A-Z]* COMMENT 'relay-backup-replica /\\1 DISABLE ON SLAVE COMMENT '/
t
s/$events_when DISABLE ON [A-Z]* /\\1 ENABLE /
}"

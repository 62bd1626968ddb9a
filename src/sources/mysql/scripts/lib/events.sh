# Events of a database that is not in place must not run. For sed, on the lines of a dump that make one: an event that is
# enabled gets the status that a replica gives to those of its primary, which no other has, and back.
# shellcheck disable=SC2034
events_off='/^\/\*!50106 CREATE\*\/.* EVENT /s/\( ON COMPLETION .*PRESERVE\) ENABLE /\1 DISABLE ON SLAVE /'
# shellcheck disable=SC2034
events_on='/^\/\*!50106 CREATE\*\/.* EVENT /s/\( ON COMPLETION .*PRESERVE\) DISABLE ON [A-Z]* /\1 ENABLE /'

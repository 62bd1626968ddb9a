# What Compose itself makes of a deployment. Changes nothing.
# Arguments: DIRECTORY [ARGUMENT...]
#   DIRECTORY  absolute; Compose is asked in it
#   ARGUMENT   of Compose itself, what is known already: --project-name, --file. Without --file: what it finds there
# stdout, fields parted by TAB:
#   tool missing
#   files missing                a file that is named is not there; or there is no Compose file in DIRECTORY, nor does
#                                COMPOSE_FILE name one. Compose would take one of a directory above, which is another
#                                deployment
#   unreadable TEXT              Compose can't read its files
#   config LINE                  a line of its whole configuration, as YAML
#   name TEXT                    COMPOSE_PROJECT_NAME, of the environment or the .env, as Compose reads it; only where
#                                the configuration does not name the project (version 1)
#   end
# include remote/lib/prelude.sh
# include services/lib/docker-ask.sh
# include remote/lib/login.sh

cd -- "$1" 2>/dev/null || {
  say files missing
  say end
  exit 0
}
shift
# See compose_tool in services/scripts/lib/compose.sh.
export SETUPTOOLS_USE_DISTUTILS=stdlib

# say_find_tool: puts into $say_tool what Compose is called here. Without Compose the script says so, and ends.
say_find_tool() {
  [ -z "$say_tool" ] || return 0
  if $docker_time docker compose version >/dev/null 2>&1; then
    say_tool='docker compose'
  elif command -v docker-compose >/dev/null; then
    # Starting version 1 to hear its version takes half a second.
    say_tool=docker-compose
  else
    say tool missing
    say end
    exit 0
  fi
}

# say_sets: something may set variables of Compose, which only Compose can read. Asking it takes a second.
say_sets() {
  ! exists .env || return 0
  case ${RELAY_LOGIN-} in *COMPOSE_*) ;; *) return 1 ;; esac
}

# say_variable NAME: as Compose reads it, of the environment or the .env; after say_find_tool.
say_variable() {
  say_sets || return 0
  # shellcheck disable=SC2086
  printf 'version: "3"\nservices:\n  asked:\n    image: "=${%s}"\n' "$1" |
    $docker_time sh -c "$as_login" relay-backup $say_tool --file - config 2>/dev/null | sed -n "s/^ *image: ['\"]*=\(.*\)\$/\1/p" | sed "s/['\"]\$//"
}

say_named=no say_files=no say_flag= say_tool=
for say_one; do
  if [ "$say_flag" = --file ]; then
    say_files=yes
    exists "$say_one" || {
      say files missing
      say end
      exit 0
    }
  fi
  [ "$say_flag" != --project-name ] || say_named=yes
  say_flag=$say_one
done
if [ "$say_files" = no ]; then
  for say_one in compose.yaml compose.yml docker-compose.yaml docker-compose.yml; do
    ! exists "$say_one" || say_files=yes
  done
  if [ "$say_files" = no ]; then
    ! say_sets || say_find_tool
    [ -n "$(say_variable COMPOSE_FILE)" ] || {
      say files missing
      say end
      exit 0
    }
  fi
fi
say_find_tool
# shellcheck disable=SC2086
if say_config=$($docker_time sh -c "$as_login" relay-backup $say_tool "$@" config 2>/dev/null); then
  printf '%s\n' "$say_config" | head -c 4194304 | sed "s/^/config$tab/"
  case $newline$say_config in
    *"${newline}name:"*) ;;
    *) [ "$say_named" = yes ] || say name "$(say_variable COMPOSE_PROJECT_NAME)" ;;
  esac
else
  # shellcheck disable=SC2086
  plain "$($docker_time sh -c "$as_login" relay-backup $say_tool "$@" config --quiet 2>&1)"
  say unreadable "$plain"
fi
say end

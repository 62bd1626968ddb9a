# MySQL's or MariaDB's own programs, on the server or in the container that it runs in.
#
# mysql_run CONTAINER HOST PORT USER CREDENTIALS PROGRAM ARG...: runs PROGRAM. stdin: the password as a line, empty for none;
# then what PROGRAM reads. Any of the first five is `-` for none; a HOST that begins with / is a socket. CREDENTIALS is
# `container`: user and password are what the container's environment says, as its image reads it.
# Exit status: PROGRAM's; 127 when there is none.
mysql_run() {
  mysql_container=$1
  shift
  if [ "$mysql_container" = - ]; then
    sh -c "$mysql_inner" relay-backup "$@"
  else
    docker exec -i -- "$mysql_container" sh -c "$mysql_inner" relay-backup "$@"
  fi
}

# User and password are in a file that has no name when it is written: nothing of it is left, whatever kills whom. No other
# option file is read (--defaults-file), because what it says could leave something out of a dump.
# shellcheck disable=SC2016
mysql_inner='
mysql_host=$1 mysql_port=$2 mysql_user=$3 mysql_credentials=$4 mysql_program=$5
shift 5
IFS= read -r mysql_password
# A variable of the image, or the content of the file that it names.
mysql_said() {
  eval "mysql_value=\${$1-} mysql_path=\${$1_FILE-}"
  [ -z "$mysql_path" ] || mysql_value=$(cat -- "$mysql_path") || exit 126
}
if [ "$mysql_credentials" = container ]; then
  mysql_user=- mysql_password=
  for mysql_prefix in MARIADB MYSQL; do
    [ "$mysql_user" = - ] || break
    mysql_said "${mysql_prefix}_ROOT_PASSWORD"
    [ -z "$mysql_value" ] || mysql_user=root mysql_password=$mysql_value
  done
  for mysql_prefix in MARIADB MYSQL; do
    [ "$mysql_user" = - ] || break
    mysql_said "${mysql_prefix}_USER"
    [ -z "$mysql_value" ] || { mysql_user=$mysql_value; mysql_said "${mysql_prefix}_PASSWORD"; mysql_password=$mysql_value; }
  done
  [ "$mysql_user" != - ] || mysql_user=root
fi
# mysql_line KEY VALUE: as an option file has it.
mysql_line() { printf "%s=\"%s\"\n" "$1" "$(printf %s "$2" | sed "s/[\\\\\"]/\\\\&/g")"; }
umask 077
mysql_file=$(mktemp -p /dev/shm 2>/dev/null || mktemp) || exit 126
exec 9<>"$mysql_file" || exit 126
rm -f -- "$mysql_file"
{
  printf "[client]\n"
  [ "$mysql_user" = - ] || mysql_line user "$mysql_user"
  [ -z "$mysql_password" ] || mysql_line password "$mysql_password"
  case $mysql_host in
    -) ;;
    /*) mysql_line socket "$mysql_host" ;;
    *) mysql_line host "$mysql_host"; mysql_line protocol tcp ;;
  esac
  [ "$mysql_port" = - ] || mysql_line port "$mysql_port"
} >&9
unset mysql_password mysql_value MYSQL_PWD MYSQL_HOST MYSQL_TCP_PORT MYSQL_UNIX_PORT MYSQL_GROUP_SUFFIX MARIADB_GROUP_SUFFIX
# Its stored logins would come after ours. They are read whatever --defaults-file says.
MYSQL_TEST_LOGIN_FILE=/dev/null/none LC_ALL=C
export MYSQL_TEST_LOGIN_FILE LC_ALL
exec "$mysql_program" --defaults-file=/dev/fd/9 "$@"
'

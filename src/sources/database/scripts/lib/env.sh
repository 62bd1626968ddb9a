# User and password that the environment of a deployment says, as its Compose reads it; else its file .env.

# env_login SCHEME DIRECTORY PREFIX...: in $env_user and $env_password. SCHEME: a regular expression of the URLs that count
# (DATABASE_URL=SCHEME://user:password@host/name, whatever the variable is called). PREFIX: of the variables that count where there is
# no URL (PREFIXUSER, PREFIXPASSWORD). Fails with the reason on stderr, without a value, where none or several logins are there.
env_login() {
  env_scheme=$1 env_directory=$2
  shift 2
  # As text of Compose every value is what it is; in the file it may be quoted.
  env_raw=yes
  env_text=$(cd -- "$env_directory" && docker compose config --environment 2>/dev/null) && [ -n "$env_text" ] || {
    env_raw=no
    env_text=$(cat -- "$env_directory/.env") || return 1
  }
  env_found=$(printf '%s\n' "$env_text" | LC_ALL=C awk -v scheme="$env_scheme" -v raw="$env_raw" -v prefixes="$*" '
    function decode(s, out, at) {
      out = ""
      while ((at = match(s, /%[0-9A-Fa-f][0-9A-Fa-f]/)) > 0) {
        out = out substr(s, 1, at - 1) sprintf("%c", 16 * digit(substr(s, at + 1, 1)) + digit(substr(s, at + 2, 1)))
        s = substr(s, at + 3)
      }
      return out s
    }
    function digit(c) { return index("0123456789abcdef", tolower(c)) - 1 }
    function unquoted(s, quote, end) {
      if (raw == "yes") return s
      quote = substr(s, 1, 1)
      if (quote == "\"" || quote == "\047") {
        s = substr(s, 2)
        end = index(s, quote)
        s = end == 0 ? s : substr(s, 1, end - 1)
      } else {
        sub(/[ \t]+#.*$/, "", s)
        sub(/[ \t]+$/, "", s)
      }
      # What only Compose could say.
      if (quote != "\047" && s ~ /[$\\]/) unsure = 1
      return s
    }
    function take(key, user, password) {
      if (user password ~ /[\001-\037]/) fail("the login of " key " has letters that are none")
      login = user "\n" password
      if (!(login in names)) order[++count] = login
      names[login] = names[login] (names[login] == "" ? "" : ", ") key
    }
    function fail(why) { print why >"/dev/stderr"; failed = 1; exit 1 }
    { sub(/\r$/, "") }
    /^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=/ {
      line = $0
      sub(/^[ \t]*(export[ \t]+)?/, "", line)
      at = index(line, "=")
      key = substr(line, 1, at - 1)
      sub(/[ \t]+$/, "", key)
      value = substr(line, at + 1)
      if (raw == "no") sub(/^[ \t]+/, "", value)
      unsure = 0
      value = unquoted(value)
      values[key] = value
      doubtful[key] = unsure
      if (value !~ ("^" scheme "(\\+[a-z0-9]+)?://")) next
      if (unsure) fail(key " is made of other variables, and only a Compose of version 2 could say of which: write it out")
      sub(/^[^:]*:\/\//, "", value)
      sub(/[\/?#].*$/, "", value)
      if (value !~ /@/) next
      sub(/@[^@]*$/, "", value)
      at = index(value, ":")
      take(key, decode(at == 0 ? value : substr(value, 1, at - 1)), at == 0 ? "" : decode(substr(value, at + 1)))
    }
    END {
      if (failed) exit 1
      if (count == 0) {
        total = split(prefixes, prefix, " ")
        for (n = 1; n <= total; n++) {
          key = prefix[n] "USER"
          if (values[key] == "") continue
          if (doubtful[key] || doubtful[prefix[n] "PASSWORD"]) fail(key " is made of other variables: write it out")
          take(key, values[key], values[prefix[n] "PASSWORD"])
        }
      }
      if (failed) exit 1
      if (count == 0) fail("no variable says a user of such a server")
      if (count > 1) {
        all = names[order[1]]
        for (n = 2; n <= count; n++) all = all ", " names[order[n]]
        fail("they differ: " all)
      }
      print order[1] "\n."
    }') || return 1
  env_found=${env_found%??}
  env_user=${env_found%%"
"*}
  env_password=${env_found#*"
"}
}

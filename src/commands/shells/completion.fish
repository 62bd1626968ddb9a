# fish completion for relay-backup. Load it with: relay-backup completion fish | source

function __relay_backup_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l answer (command $words[1] __complete -- $words[2..] "$word" 2>/dev/null </dev/null)
    switch "$answer[1]"
        case files
            __fish_complete_path "$word"
        case directories
            __fish_complete_directories "$word" ''
        case '*'
            printf '%s\n' $answer[2..]
    end
end

complete -c relay-backup -f -a '(__relay_backup_complete)'

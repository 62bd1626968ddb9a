// StrykerJS runs tests in threads, where a process can't have another umask. What a test sets it for is then not
// looked at as closely.
process.umask = () => 0o022

# No services: nothing runs, nothing is stopped.

svc_none_running() { :; }
svc_none_stop() { :; }
svc_none_start() { :; }
svc_none_fit() { :; }
svc_none_settle() { :; }

/**
 * uWSGI's options that a Galaxy deployment is likely to set in its section `uwsgi:`, with `-` as separator. They are
 * read over; web-config.ts has those with an effect.
 */
export const UNUSED_UWSGI_OPTIONS: ReadonlySet<string> = new Set(
  `
  add-header attach-daemon attach-daemon2 auto-procname buffer-size catch-exceptions chdir2 cheap cheaper
  cheaper-algo cheaper-busyness-max cheaper-busyness-min cheaper-initial cheaper-overload cheaper-step
  check-static close-on-exec cpu-affinity disable-logging emperor enable-threads env evil-reload-on-as
  evil-reload-on-rss exec-asap exec-post-app exec-pre-app exit-on-reload fs-reload group harakiri-verbose
  hook-as-mule hook-as-user hook-as-user-atexit hook-asap hook-post-app hook-post-fork hook-pre-app
  honour-stdin http-auto-gzip http-buffer-size http-chunked-input http-connect-timeout
  http-enable-proxy-protocol http-gzip http-headers-timeout http-keepalive http-manage-expect http-processes
  http-raw-body http-stud-prefix http-timeout http-to http-use-socket http-websockets https2 https-socket
  ignore-sigpipe ignore-write-errors import lazy lazy-apps limit-as limit-post lock-engine locks log-4xx
  log-5xx log-date log-format log-master log-maxsize log-micros log-reopen log-route log-slow log-sendfile
  log-socket log-x-forwarded-for log-zero logdate logfile-chmod logfile-chown logger manage-script-name
  master-fifo max-fd max-requests-delta max-worker-lifetime max-worker-lifetime-delta memory-report metrics-dir
  min-worker-lifetime module mount mules-cheap need-app no-defer-accept no-orphans paste paste-logger plugin
  plugins post-buffering post-buffering-bufsize procname procname-append procname-master procname-prefix
  procname-prefix-spaced py-autoreload py-call-osafterfork py-call-uwsgi-fork-hooks pypath python-path
  pythonpath queue reaper reload-on-as reload-on-fd reload-on-rss req-logger route route-host route-run
  route-uri set-placeholder show-config single-interpreter smart-attach-daemon socket-timeout spooler
  static-cache-paths static-check static-expires static-expires-type static-expires-uri static-gzip
  static-gzip-all static-index static-map2 static-safe static-skip-ext stats-http strict subscribe-to
  thread-stacksize thunder-lock threads threads-stacksize touch-chain-reload touch-logreopen touch-logrotate
  touch-mules-reload touch-reload touch-workers-reload umask unlink-stats unsubscribe-on-graceful-reload vacuum
  virtualenv venv home wsgi wsgi-file worker
  `
    .trim()
    .split(/\s+/),
);

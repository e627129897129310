package ops_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/ops"
)

const patience = harness.GiveUp

func newServer(t *testing.T, o server.Options) *server.Server {
	s, err := server.New(o)
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	return s
}

func startPage(t *testing.T, s *server.Server, addr string) *ops.Page {
	p, err := ops.Start(s, addr, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func do(t *testing.T, s *server.Server, words ...any) string {
	t.Helper()
	v, err := s.Do(t.Context(), words...)
	require.NoError(t, err)
	return v.Text()
}

// get asks for a page as Prometheus or a person would.
func get(t *testing.T, p *ops.Page, path string) (int, string) {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + p.Addr() + path)
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(body)
}

// scrape reads the metrics with the parser of Prometheus.
func scrape(t *testing.T, p *ops.Page) map[string]*dto.MetricFamily {
	t.Helper()
	code, text := get(t, p, "/metrics")
	require.Equal(t, http.StatusOK, code, text)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err, text)
	return families
}

// value is that of a metric with one label at most.
func value(t *testing.T, families map[string]*dto.MetricFamily, name, label string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		if label == "" || m.Label[0].GetValue() == label {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	require.Fail(t, "no such metric", "%s %s", name, label)
	return 0
}

func TestMetricsFollowTheConventions(t *testing.T) {
	s := newServer(t, server.Options{})
	do(t, s, "SET", "k", "v")
	s.Do(t.Context(), "HGET", "k", "f")
	problems, err := testutil.CollectAndLint(ops.Collector(s))
	require.NoError(t, err)
	require.Empty(t, problems)
}

// What redis_exporter reads from INFO under these names is what they say here.
func TestMetricsSayWhatInfoSays(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	p := startPage(t, s, ":0")
	conn, err := s.Dial()
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "HELLO 3\r\nCLIENT TRACKING ON\r\nGET a\r\nSUBSCRIBE c d\r\nPSUBSCRIBE e*\r\nSSUBSCRIBE s\r\nNOSUCH\r\nBZPOPMIN z 0\r\n")
	require.NoError(t, err)
	do(t, s, "SET", "k", "v", "PX", 100)
	do(t, s, "HSET", "h", "f", "v")
	do(t, s, "HPEXPIRE", "h", "100", "FIELDS", "1", "f")
	clock.Advance(time.Second)
	do(t, s, "SET", "l", "v", "EX", 100)
	do(t, s, "SET", "m", "v")
	do(t, s, "GET", "m")
	s.Do(t.Context(), "HGET", "m", "f")
	s.Do(t.Context(), "SUBSCRIBE", "c")
	s.Do(t.Context(), "EXISTS")

	families := scrape(t, p)
	info := infoOf(t, s)
	for field, metric := range map[string]string{
		"uptime_in_seconds":              "redis_uptime_in_seconds",
		"connected_clients":              "redis_connected_clients",
		"blocked_clients":                "redis_blocked_clients",
		"tracking_clients":               "redis_tracking_clients",
		"maxclients":                     "redis_config_maxclients",
		"total_connections_received":     "redis_connections_received_total",
		"rejected_connections":           "redis_rejected_connections_total",
		"total_commands_processed":       "redis_commands_processed_total",
		"total_net_input_bytes":          "redis_net_input_bytes_total",
		"total_net_output_bytes":         "redis_net_output_bytes_total",
		"expired_keys":                   "redis_expired_keys_total",
		"expired_subkeys":                "parley_expired_fields_total",
		"keyspace_hits":                  "redis_keyspace_hits_total",
		"keyspace_misses":                "redis_keyspace_misses_total",
		"expired_time_cap_reached_count": "redis_expired_time_cap_reached_total",
		"pubsub_channels":                "redis_pubsub_channels",
		"pubsub_patterns":                "redis_pubsub_patterns",
		"pubsubshard_channels":           "redis_pubsubshard_channels",
		"tracking_total_keys":            "parley_tracked_keys",
		"tracking_total_items":           "parley_tracked_reads",
		"tracking_total_prefixes":        "parley_tracked_prefixes",
		"total_reads_processed":          "parley_reads_total",
		"rdb_changes_since_last_save":    "parley_key_changes_total",
	} {
		require.Equal(t, info[field], number(value(t, families, metric, "")), field)
	}
	require.Regexp(t, `^keys=2,expires=1,avg_ttl=100000$`, info["db0"])
	require.Equal(t, 2.0, value(t, families, "redis_db_keys", "db0"))
	require.Equal(t, 1.0, value(t, families, "redis_db_keys_expiring", "db0"))
	require.Equal(t, 100.0, value(t, families, "redis_db_avg_ttl_seconds", "db0"))
	require.Equal(t, 2.0, value(t, families, "parley_keys", ""))
	require.Equal(t, 1.0, value(t, families, "parley_subscribed_clients", ""))
	require.Len(t, families["redis_db_keys"].Metric, 1)
	for name, text := range info {
		if cmd, ok := strings.CutPrefix(name, "cmdstat_"); ok && cmd != "info" {
			require.Regexp(t, `^calls=`+number(value(t, families, "redis_commands_total", cmd))+
				`,.*,rejected_calls=`+number(value(t, families, "redis_commands_rejected_calls_total", cmd))+
				`,failed_calls=`+number(value(t, families, "redis_commands_failed_calls_total", cmd))+`$`, text, cmd)
		}
		if code, ok := strings.CutPrefix(name, "errorstat_"); ok {
			require.Equal(t, text, "count="+number(value(t, families, "redis_errors_total", code)))
		}
	}
	require.Contains(t, info, "errorstat_WRONGTYPE")
	require.Contains(t, info, "cmdstat_client|tracking")
}

// Of memory, too, metrics say what INFO says, when keys have gone and clients were closed.
func TestMetricsSayWhatMemoryThereIs(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock, Config: map[string]string{"maxmemory-policy": "allkeys-random"}})
	p := startPage(t, s, ":0")
	check := func() map[string]*dto.MetricFamily {
		families := scrape(t, p)
		info := infoOf(t, s)
		for field, metric := range map[string]string{
			"maxmemory":            "redis_memory_max_bytes",
			"used_memory":          "redis_memory_used_bytes",
			"used_memory_peak":     "redis_memory_used_peak_bytes",
			"used_memory_startup":  "redis_memory_used_startup_bytes",
			"used_memory_overhead": "redis_memory_used_overhead_bytes",
			"used_memory_dataset":  "redis_memory_used_dataset_bytes",
			"mem_clients_normal":   "redis_mem_clients_normal",
			"evicted_keys":         "redis_evicted_keys_total",
			"evicted_clients":      "redis_evicted_clients_total",
		} {
			require.Equal(t, info[field], number(value(t, families, metric, "")), field)
		}
		now, err := strconv.ParseFloat(info["current_eviction_exceeded_time"], 64)
		require.NoError(t, err)
		before, err := strconv.ParseFloat(info["total_eviction_exceeded_time"], 64)
		require.NoError(t, err)
		require.Equal(t, now+before, 1000*value(t, families, "parley_memory_full_seconds_total", ""))
		return families
	}
	for i := range 300 {
		do(t, s, "SET", i, strings.Repeat("v", 1000))
	}
	check()

	do(t, s, "CONFIG", "SET", "maxmemory", "400k")
	conn, err := s.Dial()
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "*2\r\n$4\r\nECHO\r\n$220000\r\n"+strings.Repeat("x", 200_000)) // most of a call: it stays
	require.NoError(t, err)
	do(t, s, "SET", "k", "v")
	do(t, s, "PING") // makes the room that SET may have taken beyond the limit
	families := check()
	require.Positive(t, value(t, families, "redis_evicted_keys_total", ""))
	require.Positive(t, value(t, families, "redis_mem_clients_normal", ""))

	do(t, s, "CONFIG", "SET", "maxmemory-clients", "150k")
	harness.Until(t, "the client is evicted", func() bool { return infoOf(t, s)["evicted_clients"] == "1" })

	do(t, s, "CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction")
	_, err = s.Do(t.Context(), "SET", "k", "v")
	require.ErrorContains(t, err, "OOM ")
	clock.Advance(1500 * time.Millisecond)
	families = check()
	require.Equal(t, 1.0, value(t, families, "redis_evicted_clients_total", ""))
	for _, label := range families["redis_instance_info"].Metric[0].Label {
		if label.GetName() == "maxmemory_policy" {
			require.Equal(t, "noeviction", label.GetValue())
			return
		}
	}
	require.Fail(t, "the policy is not told")
}

// infoOf reads INFO.
func infoOf(t *testing.T, s *server.Server) map[string]string {
	info := make(map[string]string)
	for line := range strings.SplitSeq(do(t, s, "INFO", "everything"), "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			info[name] = value
		}
	}
	return info
}

func TestHistogramsAddUp(t *testing.T) {
	s := newServer(t, server.Options{})
	p := startPage(t, s, "127.0.0.1:0")
	for range 1000 {
		do(t, s, "SET", "k", "v")
	}
	families := scrape(t, p)
	set := false
	for _, name := range []string{"parley_command_duration_seconds", "parley_lock_held_seconds", "parley_lock_wait_seconds"} {
		require.NotEmpty(t, families[name].GetMetric(), name)
		for _, m := range families[name].Metric {
			h, before := m.GetHistogram(), uint64(0)
			for _, b := range h.Bucket {
				require.GreaterOrEqual(t, b.GetCumulativeCount(), before)
				before = b.GetCumulativeCount()
			}
			require.Equal(t, h.GetSampleCount(), before, "the last is all")
			if name == "parley_command_duration_seconds" && m.Label[0].GetValue() == "set" {
				set = true
				require.Equal(t, uint64(1000), h.GetSampleCount())
				require.InEpsilon(t, value(t, families, "redis_commands_duration_seconds_total", "set"), h.GetSampleSum(), 0.01)
			}
		}
	}
	require.True(t, set)
	require.GreaterOrEqual(t, families["parley_lock_held_seconds"].Metric[0].GetHistogram().GetSampleCount(), uint64(1000))
}

// How many series there are depends on the table of commands, not on what
// clients think of.
func TestClientsCannotMakeSeries(t *testing.T) {
	s := newServer(t, server.Options{})
	p := startPage(t, s, ":0")
	count := func() (n int) {
		for name, f := range scrape(t, p) {
			if strings.HasPrefix(name, "redis_") || strings.HasPrefix(name, "parley_") {
				n += len(f.Metric)
			}
		}
		return n
	}
	misuse := func(i int) {
		name := "x" + strconv.Itoa(i)
		s.Do(t.Context(), name)
		s.Do(t.Context(), "CLIENT", name)
		s.Do(t.Context(), "SET", name, "v", name)
		s.Do(t.Context(), "PUBLISH", name, name)
		s.Do(t.Context(), "CONFIG", "SET", name, name)
		s.Do(t.Context(), "AUTH", name, name)
	}
	misuse(0)
	before := count()
	for i := range 100 {
		misuse(i)
	}
	require.Equal(t, before, count())
}

func TestHealth(t *testing.T) {
	s := newServer(t, server.Options{})
	p := startPage(t, s, ":0")
	code, body := get(t, p, "/healthz")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "ok\n", body)

	do(t, s, "CLIENT", "PAUSE", "100000", "ALL")
	code, _ = get(t, p, "/healthz")
	require.Equal(t, http.StatusOK, code, "to hold calls back is what an operator has asked for")

	require.NoError(t, s.Close())
	code, body = get(t, p, "/healthz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "the server is closed\n", body)
	code, _ = get(t, p, "/metrics")
	require.Equal(t, http.StatusOK, code, "of a closed server too")
}

// A holder is a log that keeps whoever writes to it, and with it the lock that he
// holds, until it is let go.
type holder struct {
	slog.Handler
	holding, letGo chan struct{}
}

func (h *holder) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "CONFIG SET" {
		h.holding <- struct{}{}
		<-h.letGo
	}
	return nil
}

func TestHealthWhileTheLockIsHeld(t *testing.T) {
	h := &holder{slog.NewTextHandler(io.Discard, nil), make(chan struct{}), make(chan struct{})}
	release := sync.OnceFunc(func() { close(h.letGo) })
	s := newServer(t, server.Options{Logger: slog.New(h)})
	p := startPage(t, s, ":0")
	var all sync.WaitGroup
	all.Go(func() { s.Do(context.Background(), "CONFIG", "SET", "maxclients", "5") })
	<-h.holding

	defer release()
	var asked sync.WaitGroup
	for range 8 {
		asked.Go(func() {
			code, body := get(t, p, "/healthz")
			require.Equal(t, http.StatusServiceUnavailable, code)
			require.Contains(t, body, "holds the lock")
		})
	}
	asked.Wait()
	probes := goroutinesIn("github.com/parley-chat/parley/server.(*Server).joinProbe.func1")
	require.Equal(t, 1, probes, "all requests share one probe")

	release()
	all.Wait()
	code, body := get(t, p, "/healthz")
	require.Equal(t, http.StatusOK, code, body)
}

func TestScrapesBesideClients(t *testing.T) {
	s := newServer(t, server.Options{Clock: nil})
	p := startPage(t, s, ":0")
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := s.Dial()
				if err != nil {
					return
				}
				io.WriteString(conn, "SET k"+strconv.Itoa(i)+" v PX 1\r\nGET k\r\nSUBSCRIBE c\r\nUNSUBSCRIBE\r\nMULTI\r\nCONFIG RESETSTAT\r\nFLUSHALL\r\nEXEC\r\n")
				conn.Close()
			}
		})
	}
	for range 50 {
		scrape(t, p)
	}
	close(stop)
	all.Wait()
}

func TestProfiles(t *testing.T) {
	s := newServer(t, server.Options{})
	p := startPage(t, s, ":0")
	for path, want := range map[string]int{
		"/":                               http.StatusOK,
		"/debug/pprof/":                   http.StatusOK,
		"/debug/pprof/heap":               http.StatusOK,
		"/debug/pprof/heap?gc=1&debug=1":  http.StatusOK,
		"/debug/pprof/goroutine?debug=2":  http.StatusOK,
		"/debug/pprof/cmdline":            http.StatusNotFound, // it may hold passwords
		"/debug/pprof/profile?seconds=0":  http.StatusOK,
		"/debug/pprof/trace?seconds=0":    http.StatusOK,
		"/debug/pprof/profile?seconds=61": http.StatusBadRequest,
		"/debug/pprof/trace?seconds=x":    http.StatusBadRequest,
		"/debug/pprof/heap?debug=3":       http.StatusBadRequest,
		"/debug/pprof/heap?seconds=1":     http.StatusBadRequest,
		"/debug/pprof/nothing":            http.StatusNotFound,
		"/favicon.ico":                    http.StatusNotFound,
	} {
		code, body := get(t, p, path)
		require.Equal(t, want, code, path)
		require.NotEmpty(t, body, path)
	}
	_, heap := get(t, p, "/debug/pprof/heap")
	require.Equal(t, "\x1f\x8b", heap[:2], "as go tool pprof reads it")

	w := httptest.NewRecorder()
	http.DefaultServeMux.ServeHTTP(w, httptest.NewRequest("GET", "/debug/pprof/", nil))
	require.Equal(t, http.StatusNotFound, w.Code, "the program around has nothing that it did not ask for")
}

func TestPageIsForThisMachineUnlessItIsSaidOtherwise(t *testing.T) {
	s := newServer(t, server.Options{})
	p := startPage(t, s, ":0")
	require.True(t, p.Local())
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, p.Addr())
	ask := func(p *ops.Page, host string) int {
		_, port, _ := net.SplitHostPort(p.Addr())
		r, err := http.NewRequest("GET", "http://127.0.0.1:"+port+"/metrics", nil)
		require.NoError(t, err)
		r.Host = host
		client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Do(r)
		require.NoError(t, err)
		answer.Body.Close()
		return answer.StatusCode
	}
	for host, want := range map[string]int{
		"localhost:9121": 200, "localhost": 200, "127.0.0.1:9121": 200, "[::1]": 200, "10.0.0.1": 200, // as through a tunnel
		"evil.example": 403, "evil.example:9121": 403, "127.0.0.1.evil.example": 403,
	} {
		require.Equal(t, want, ask(p, host), host)
	}

	all := startPage(t, s, "0.0.0.0:0")
	require.False(t, all.Local())
	require.Equal(t, 200, ask(all, "chat.example"))

	_, err := ops.Start(s, p.Addr(), nil)
	require.ErrorContains(t, err, "address already in use")
	_, err = ops.Start(s, "9121", nil)
	require.ErrorContains(t, err, "missing port")
}

func TestCloseCutsOffWhoIsStillAnswered(t *testing.T) {
	t.Parallel()
	s := newServer(t, server.Options{})
	p, err := ops.Start(s, ":0", nil)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /debug/pprof/trace?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	line := make([]byte, 15)
	_, err = io.ReadFull(conn, line) // it is under way
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200 OK", string(line))
	begun := time.Now()
	require.NoError(t, p.Close())
	harness.RequireWithin(t, time.Since(begun), 30*time.Second, "Close")
}

// Who opens connections and does not ask for anything holds up nobody for long,
// and takes no more descriptors than there are places.
func TestConnectionsAreBounded(t *testing.T) {
	s := newServer(t, server.Options{})
	p := startPage(t, s, ":0")
	var idle []net.Conn
	for range 100 {
		conn, err := net.Dial("tcp", p.Addr())
		require.NoError(t, err)
		idle = append(idle, conn)
	}
	before := goroutinesIn("net/http.(*conn).serve")
	require.LessOrEqual(t, before, 16)
	for _, conn := range idle {
		conn.Close()
	}
	code, _ := get(t, p, "/healthz")
	require.Equal(t, http.StatusOK, code)
}

func goroutinesIn(function string) int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "\n"+function+"(")
}

// docs/OPERATIONS.md names each metric and no others.
func TestDocumentNamesWhatThereIs(t *testing.T) {
	s := newServer(t, server.Options{})
	do(t, s, "SET", "k", "v")
	s.Do(t.Context(), "NOSUCH")
	p := startPage(t, s, ":0")
	text, err := os.ReadFile("../../docs/OPERATIONS.md")
	require.NoError(t, err)
	document := string(text)
	known := make(map[string]bool)
	for name, f := range scrape(t, p) {
		if strings.HasPrefix(name, "redis_") || strings.HasPrefix(name, "parley_") {
			known[name] = true
			require.Contains(t, document, "| `"+name+"` | "+strings.ToLower(f.GetType().String())+" | ", "its row in the table of metrics")
			require.Contains(t, document, " | "+f.GetHelp()+" |", name)
		}
	}
	for _, label := range []string{"parley_version", "redis_version", "redis_mode", "maxmemory_policy", "redis_exporter"} {
		document = strings.ReplaceAll(document, label, "")
	}
	for _, name := range regexp.MustCompile(`(redis|parley)_[a-z_]+`).FindAllString(document, -1) {
		base := regexp.MustCompile("_(bucket|sum|count)$").ReplaceAllString(name, "")
		require.True(t, known[name] || known[base], "%s, in the table or an alert", name)
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

package views_test

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/usage"
	"aihigress/views"
)

// table reads a download whole.
func (a answer) table() [][]string {
	a.t.Helper()
	if got := a.Header.Get("Content-Type"); got != "text/csv; charset=utf-8" {
		a.t.Fatalf("%d %s: %.200s", a.StatusCode, got, a.body)
	}
	if got := a.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment; filename=") || !strings.HasSuffix(got, ".csv") {
		a.t.Errorf("Content-Disposition %q", got)
	}
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil {
		a.t.Fatal(err)
	}
	return rows
}

func column(rows [][]string, name string) (cells []string) {
	for i, head := range rows[0] {
		if head == name {
			for _, row := range rows[1:] {
				cells = append(cells, row[i])
			}
			return cells
		}
	}
	return []string{"no column " + name}
}

func TestTheRequestLogIsExported(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	mine := s.logged(t, s.admin.ID, func(r *usage.Request) { r.Model, r.RequestID = `=HYPERLINK("http://x")`, "-1+1" })
	theirs := s.logged(t, s.member.ID, func(r *usage.Request) { r.Model, r.Outcome = "small", usage.UpstreamError })

	all := admin.get("/requests/export.csv").is(200).table()
	if ids := column(all, "id"); len(ids) != 2 || ids[0] != mine.ID.String() || ids[1] != theirs.ID.String() {
		t.Errorf("ids %q", ids)
	}
	if got := column(all, "model"); got[0] != `'=HYPERLINK("http://x")` || column(all, "request_id")[0] != "'-1+1" {
		t.Errorf("models %q: a spreadsheet runs them", got)
	}
	if got := column(all, "charge"); got[0] != "0.01234" || column(all, "duration_ms")[0] != "3210" || column(all, "cost")[0] != "" {
		t.Errorf("charges %q", got)
	}
	for address, want := range map[string]int{
		"?outcome=UPSTREAM_ERROR": 1, "?model=none": 0, "?user=" + s.member.ID.String(): 1, "?key=nonsense": 0, "?from=nonsense": 0,
		"?to=nonsense": 0, "?from=" + time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly): 2, "?to=2020-01-01": 0,
	} {
		if rows := admin.get("/requests/export.csv" + address).is(200).table(); len(rows)-1 != want {
			t.Errorf("%s: %d rows, want %d", address, len(rows)-1, want)
		}
	}
	own := member.get("/requests/export.csv").is(200).table()
	if ids := column(own, "id"); len(ids) != 1 || ids[0] != theirs.ID.String() || column(own, "cost")[0] != "no column cost" {
		t.Errorf("a member's export %q", own)
	}
	if rows := member.get("/requests/export.csv?user=" + s.admin.ID.String()).is(200).table(); len(rows) != 1 {
		t.Errorf("another's requests: %q", rows)
	}
	head, err := http.NewRequestWithContext(t.Context(), http.MethodHead, admin.base+"/requests/export.csv", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if a := admin.do(head).is(200); a.body != "" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("asked for the head alone: %v", a.Header)
	}
	s.browser(t).get("/requests/export.csv").redirects("/login?next=%2Frequests%2Fexport.csv")
	admin.get("/requests").is(200).shows(`href="/requests/export.csv?"`)
}

// What was written to a cache for an hour is a part of all that was written, in the table as in the column.
func TestTheExportHasAllCacheWrites(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.logged(t, s.admin.ID, func(r *usage.Request) { r.Usage.CacheWrite5m, r.Usage.CacheWrite1h = 30, 70 })
	if got := column(s.signIn(t, adminEmail).get("/requests/export.csv").is(200).table(), "cache_write_tokens"); len(got) != 1 || got[0] != "100" {
		t.Errorf("%q written to caches, want 30 and 70", got)
	}
}

func TestEntriesAreExported(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	for _, amount := range []money.Amount{5 * money.Credit, -1_500_000_000} {
		_, _, err := s.ledger.Grant(authz.With(t.Context(), authz.Job("test")), credit.GrantInput{UserID: s.member.ID, Kind: credit.KindAdjustment, Amount: amount, Reason: "@now, \"so\""})
		if err != nil {
			t.Fatal(err)
		}
	}
	rows := member.get("/credit/entries.csv").is(200).table()
	if got := column(rows, "amount"); len(got) != 2 || got[0] != "5" || got[1] != "-1.5" || column(rows, "reason")[0] != `'@now, "so"` {
		t.Errorf("%q", rows)
	}
	this := time.Now().UTC().Format("2006-01")
	for address, want := range map[string]int{"?month=" + this: 2, "?month=2020-01": 0, "?from=2020-01-01&to=2020-01-02": 0} {
		if rows := admin.get("/credit/entries.csv" + address + "&user=" + s.member.ID.String()).is(200).table(); len(rows)-1 != want {
			t.Errorf("%s: %d rows, want %d", address, len(rows)-1, want)
		}
	}
	admin.get("/credit/entries.csv?month=never").is(422)
	member.get("/credit/entries.csv?user=" + s.admin.ID.String()).is(404)
}

// many puts so many requests into the log.
func (s *site) many(t *testing.T, rows int) {
	t.Helper()
	_, err := s.pool.Exec(t.Context(), `INSERT INTO requests (id, started_at, request_id, node_id, user_id, api_key_id, model, dialect, endpoint,
		streamed, http_status, outcome, duration_us)
		SELECT gen_random_uuid(), now() - i * interval '1 millisecond', 'r' || i, $1, $2, $1, repeat('m', 200), 'openai', '/v1/chat/completions', true, 200,
			'OK', 1 FROM generate_series(1, $3) AS i`, id.New[id.Node](), s.admin.ID, rows)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), "ANALYZE requests"); err != nil {
		t.Fatal(err)
	}
}

// TestAnExportIsStreamed: the first rows are here while Postgres still has the last ones, and memory does not grow with them.
func TestAnExportIsStreamed(t *testing.T) {
	s := newSite(t)
	const rows = 100_000
	s.many(t, rows)
	admin := s.signIn(t, adminEmail)
	body := admin.open("/requests/export.csv")
	defer body.Close()
	r := csv.NewReader(bufio.NewReaderSize(body, 4096))
	read := func(n int) {
		t.Helper()
		for range n {
			if _, err := r.Read(); err != nil {
				t.Fatal(err)
			}
		}
	}
	read(2)
	if !s.exporting(t) {
		t.Error("Postgres has sent the last row before the first was read")
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	read(rows / 2)
	if grown := int64(heap()) - int64(before); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes in %d rows", grown, rows/2)
	}
	read(rows - rows/2 - 1)
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last row: %v", err)
	}
}

// exporting reports whether Postgres is still at the rows of an export.
func (s *site) exporting(t *testing.T) bool {
	t.Helper()
	var n int
	err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
		AND query LIKE '%FROM requests%ORDER BY started_at, id%' AND pid <> pg_backend_pid()`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// open asks for a page and leaves its body to be read.
func (b *browser) open(path string) io.ReadCloser {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.base+path, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %d", path, resp.StatusCode)
	}
	return resp.Body
}

// A node with few connections to Postgres keeps the most of them for its books.
func TestExportsLeaveConnectionsToTheBooks(t *testing.T) {
	s := newSite(t, func(o *views.Options) { o.Conns = 4 })
	s.many(t, 100_000)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	body := admin.open("/requests/export.csv")
	member.get("/requests/export.csv").is(http.StatusTooManyRequests)
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Fatal(err)
	}
	body.Close()
	member.get("/requests/export.csv").is(http.StatusOK)
}

// TestHalfAnExportIsNoExport: where Postgres fails on the way, the connection is cut, and the browser knows.
func TestHalfAnExportIsNoExport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.many(t, 100_000)
	body := s.signIn(t, adminEmail).open("/requests/export.csv")
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
		AND state = 'active' AND query LIKE '%FROM requests%ORDER BY%' AND pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes, then %v: taken for a whole table", n, err)
	}
}

// TestAnExportEndsWithItsReader: who goes away gives back the connection, and exports are bounded.
func TestAnExportEndsWithItsReader(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.many(t, 100_000)
	admin := s.signIn(t, adminEmail)
	first, second := admin.open("/requests/export.csv"), admin.open("/requests/export.csv")
	admin.get("/requests/export.csv").is(429)
	first.Close()
	second.Close()
	deadline := time.After(30 * time.Second)
	for s.exporting(t) {
		select {
		case <-deadline:
			t.Fatal("Postgres still reads for nobody")
		default:
		}
	}
}

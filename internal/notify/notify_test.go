package notify_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/tidwall/gjson"
	"go.uber.org/goleak"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/event"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/notify"
	"aihigress/internal/page"
	"aihigress/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.With(m)) }

// A house is an inbox with an admin, a member and somebody who is disabled.
type house struct {
	*testing.T
	*notify.Inbox
	pool                  *pgxpool.Pool
	keyring               *secret.Keyring
	log                   *bytes.Buffer
	world                 *receiver
	mu                    sync.Mutex
	clock                 time.Time
	job                   context.Context
	admin, member, former id.User
}

// receiver is what the world says to webhooks, and remembers what it was sent.
type receiver struct {
	status int
	err    error
	url    string
	header map[string]string
	body   []byte
	calls  int
}

func (r *receiver) Post(_ context.Context, url string, header map[string]string, body []byte) (int, error) {
	r.url, r.header, r.body = url, header, body
	r.calls++
	return r.status, r.err
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

func open(t *testing.T) *house {
	t.Helper()
	pool, err := db.Open(t.Context(), pgtest.New(t), 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	keyring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, pool: pool, keyring: keyring, log: &bytes.Buffer{}, world: &receiver{status: 204}, clock: time.Now().UTC().Truncate(time.Microsecond)}
	h.job = authz.With(t.Context(), authz.Job("test"))
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // nobody is there: one node needs no Redis
	t.Cleanup(func() { _ = rdb.Close() })
	h.Inbox = h.node(rdb)
	h.admin, h.member, h.former = h.user(authz.Admin), h.user(authz.Member), h.user(authz.Admin)
	h.exec("UPDATE users SET disabled_at = now() WHERE id = $1", h.former)
	return h
}

// node is an inbox of its own on the same database.
func (h *house) node(rdb *redis.Client) *notify.Inbox {
	h.Helper()
	log := slog.New(slog.NewTextHandler(h.log, nil))
	inserter, err := river.NewClient(riverpgxv5.New(h.pool), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.Fatal(err)
	}
	return notify.New(notify.Options{
		Pool: h.pool, Audit: audit.New(h.pool), Keyring: h.keyring, Inserter: inserter, Bus: event.New(rdb, log), Poster: h.world, Log: log, Now: h.now,
	})
}

func (h *house) exec(sql string, args ...any) {
	h.Helper()
	if _, err := h.pool.Exec(h.Context(), sql, args...); err != nil {
		h.Fatal(err)
	}
}

func (h *house) user(role authz.Role) id.User {
	h.Helper()
	user := id.New[id.User]()
	h.exec(`INSERT INTO users (id, email, role, password_hash) VALUES ($1, $2, $3, '')`, user, user.String()+"@example.com", role)
	return user
}

func (h *house) as(user id.User) context.Context {
	return authz.With(h.Context(), authz.Actor{Kind: authz.User, Role: authz.Member, UserID: user})
}

// titles are what a user was told, newest first.
func (h *house) titles(user id.User) []string {
	h.Helper()
	found, err := h.List(h.as(user), notify.Filter{}, page.Args{First: page.MaxSize})
	if err != nil {
		h.Fatal(err)
	}
	titles := []string{}
	for _, n := range found.Items {
		titles = append(titles, n.Title)
	}
	return titles
}

func (h *house) same(what string, got, want any) {
	h.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		h.Errorf("%s: %s, want %s", what, g, w)
	}
}

func (h *house) send(m notify.Message) notify.Sent {
	h.Helper()
	sent, err := h.Send(h.job, m)
	if err != nil {
		h.Fatal(err)
	}
	return sent
}

// door is a message about a door that opens and closes.
func door(state string, to id.User) notify.Message {
	return notify.Message{
		To: notify.Audience{Users: []id.User{to}}, Kind: "door." + state, Severity: notify.Info, Title: state,
		Matter: "door", State: state, Pause: time.Minute, Repeat: 6 * time.Hour, Over: state == "closed",
	}
}

func TestWhoIsTold(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.send(notify.Message{To: notify.Audience{Admins: true, Users: []id.User{h.former, h.admin}}, Kind: "a", Severity: notify.Info, Title: "admins"})
	h.send(notify.Message{To: notify.Audience{Users: []id.User{h.member}}, Kind: "a", Severity: notify.Info, Title: "member"})
	h.send(notify.Message{Kind: "a", Severity: notify.Info, Title: "nobody"})
	h.send(notify.Message{To: notify.Audience{Users: []id.User{h.member}}, Kind: "a", Severity: notify.Info, Title: strings.Repeat("长", 100), Text: strings.Repeat("x", 5000)})
	h.same("the admin", h.titles(h.admin), "[admins]")
	h.same("the member", h.titles(h.member), "["+strings.Repeat("长", 65)+"… member]")
	h.same("who is disabled", h.titles(h.former), "[]")
	if _, err := h.Send(h.as(h.admin), notify.Message{Kind: "a"}); !errors.Is(err, fault.Denied) {
		t.Errorf("somebody tells others: %v", err)
	}
	if n, err := h.Unread(h.as(h.member)); n != 2 || err != nil {
		t.Errorf("%d unread, %v", n, err)
	}
}

// All nodes hear of a change at once, and each wants to tell of it.
func TestOneChangeIsToldOnceByManyNodes(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, state := range []string{"open", "closed", "open"} {
		var wg sync.WaitGroup
		var told, failed sync.Map
		for i := range 16 {
			wg.Go(func() {
				sent, err := h.Send(h.job, door(state, h.member))
				if err != nil {
					failed.Store(i, err)
				} else if sent.Told {
					told.Store(i, true)
				}
			})
		}
		wg.Wait()
		failed.Range(func(_, err any) bool { t.Error(err); return true })
		n := 0
		told.Range(func(_, _ any) bool { n++; return true })
		h.same(state+" is told by so many", n, 1)
		h.pass(10 * time.Minute)
	}
	h.same("the member", h.titles(h.member), "[open closed open]")
}

func TestWhatWasNeverToldIsNotOver(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.same("it is told", h.send(door("closed", h.member)).Told, false)
	h.same("the member", h.titles(h.member), "[]")
}

func TestASecondChangeWaits(t *testing.T) {
	t.Parallel()
	h := open(t)
	start := h.now()
	h.send(door("open", h.member))
	h.pass(5 * time.Second)
	h.same("it closes soon", h.send(door("closed", h.member)).Again.Sub(start), time.Minute)
	h.pass(55 * time.Second)
	h.same("it is still closed", h.send(door("closed", h.member)).Told, true)
	h.pass(time.Second)
	h.same("it opens again", h.send(door("open", h.member)).Again.Sub(start), 3*time.Minute) // the pause has doubled
	h.pass(30 * time.Second)
	h.same("it closed meanwhile, as was told", h.send(door("closed", h.member)), notify.Sent{})
	h.same("the member", h.titles(h.member), "[closed open]")

	h.pass(2 * time.Hour)
	h.same("after two hours", h.send(door("open", h.member)).Told, true)
	h.pass(time.Second)
	if again := h.send(door("closed", h.member)).Again.Sub(h.now()); again != 59*time.Second {
		t.Errorf("what kept still starts anew: the pause is %v", again)
	}
	h.pass(2 * time.Hour)
	h.same("it is found open", h.send(door("open", h.member)).Told, false)
	h.pass(5 * time.Hour)
	h.same("it is found open much later", h.send(door("open", h.member)).Told, true)
}

// A door that opens and closes every five seconds of a day, seen by who tries again when told to.
func TestFlappingDoesNotFlood(t *testing.T) {
	t.Parallel()
	h := open(t)
	states := []string{"open", "closed"}
	var due time.Time
	for i := range 24 * 60 * 12 {
		if !h.now().Before(due) { // what comes before would be put off as well, by the same query
			due = h.send(door(states[i%2], h.member)).Again
		}
		h.pass(5 * time.Second)
	}
	if n := len(h.titles(h.member)); n < 10 || n > 40 {
		t.Errorf("%d notifications within a day", n)
	} else {
		t.Logf("%d notifications within a day, of 17280 changes", n)
	}
}

func TestOtherNodesHearOfIt(t *testing.T) {
	t.Parallel()
	h := open(t)
	server := miniredis.RunT(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var nodes []*notify.Inbox
	for range 2 {
		rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
		node := h.node(rdb)
		wg.Go(func() {
			defer rdb.Close()
			if err := node.Bus.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		nodes = append(nodes, node)
	}
	defer wg.Wait()
	defer cancel()
	other, err := nodes[1].Received(authz.With(ctx, authz.Actor{Kind: authz.User, Role: authz.Member, UserID: h.member}))
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for len(server.PubSubChannels("*")) == 0 {
		<-tick.C
	}
	for _, user := range []id.User{h.admin, h.member} {
		if _, err := nodes[0].Send(h.job, notify.Message{To: notify.Audience{Users: []id.User{user}}, Kind: "a", Severity: notify.Info, Title: user.String()}); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case n := <-other:
		h.same("the member hears their own", n.Title, h.member)
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was heard")
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.send(door("open", h.member))
	h.exec(`INSERT INTO notifications (id, user_id, kind, severity, title, created_at)
		SELECT gen_random_uuid(), $1, 'a', 'info', 'many', now() + i * interval '1 second' FROM generate_series(1, 2100) AS i`, h.admin)
	if deleted, err := h.Sweep(h.job); deleted != 1100 || err != nil {
		t.Errorf("%d of too many were deleted: %v", deleted, err)
	}
	h.pass(89 * 24 * time.Hour)
	if deleted, err := h.Sweep(h.job); deleted != 0 || err != nil {
		t.Errorf("%d of not too old ones were deleted: %v", deleted, err)
	}
	h.pass(2 * 24 * time.Hour)
	if deleted, err := h.Sweep(h.job); deleted != 1002 || err != nil { // the matter too
		t.Errorf("%d of too old ones were deleted: %v", deleted, err)
	}
}

// delivery is the only one there is.
func (h *house) delivery() (delivery id.Delivery) {
	h.Helper()
	if err := h.pool.QueryRow(h.Context(), "SELECT id FROM webhook_deliveries ORDER BY id DESC LIMIT 1").Scan(&delivery.UUID); err != nil {
		h.Fatal(err)
	}
	return delivery
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	h := open(t)
	hook, key, err := h.CreateWebhook(h.as(h.member), " https://example.com/hook?a=b ", secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key.Reveal(), "whsec_"))
	if err != nil || len(raw) != 32 {
		t.Fatalf("the secret is %q: %v", key.Reveal(), err)
	}
	if _, own, err := h.CreateWebhook(h.as(h.admin), "https://example.com/other", secret.NewText("a secret of one's own!")); !errors.Is(err, fault.Invalid) {
		t.Errorf("a secret with spaces: %q, %v", own.Reveal(), err)
	}
	h.send(notify.Message{
		To: notify.Audience{Admins: true, Users: []id.User{h.member}}, Kind: "door.open", Severity: notify.Warning, Title: "Open", Text: "Shut it.",
		Subject: "dor_1", Details: map[string]string{"door": "front"},
	})
	var jobs int
	if err := h.pool.QueryRow(t.Context(), "SELECT count(*) FROM river_job WHERE kind = 'webhook_deliver'").Scan(&jobs); err != nil || jobs != 1 {
		t.Fatalf("%d jobs: %v", jobs, err)
	}
	delivery := h.delivery()
	if err := h.Deliver(h.job, delivery, false); err != nil {
		t.Fatal(err)
	}
	h.same("it goes to", h.world.url, "https://example.com/hook?a=b")
	h.same("its id", h.world.header["Webhook-Id"], delivery)
	h.same("its time", h.world.header["Webhook-Timestamp"], h.now().Unix())
	mac := hmac.New(sha256.New, raw)
	fmt.Fprintf(mac, "%s.%d.%s", delivery, h.now().Unix(), h.world.body)
	h.same("its signature", h.world.header["Webhook-Signature"], "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	body := gjson.ParseBytes(h.world.body)
	h.same("its body", body.Get("type").Raw+body.Get("data.severity").Raw+body.Get("data.title").Raw+body.Get("data.text").Raw+body.Get("data.subject").Raw+body.Get("data.details").Raw,
		`"door.open""warning""Open""Shut it.""dor_1"{"door":"front"}`)
	h.same("its moment", body.Get("timestamp").Time().Sub(h.now()), "0s")
	if err := h.Deliver(h.job, delivery, false); err != nil || h.world.calls != 1 {
		t.Errorf("what was delivered was sent %d times: %v", h.world.calls, err)
	}

	// What is refused is tried again, and given up at last.
	h.world.status, h.world.err = 0, fault.New(fault.Upstream, "the address is not allowed")
	h.send(notify.Message{To: notify.Audience{Users: []id.User{h.member}}, Kind: "a", Severity: notify.Info, Title: "Second"})
	second := h.delivery()
	if err := h.Deliver(h.job, second, false); fault.KindOf(err) != fault.Upstream {
		t.Errorf("an address that is not allowed: %v", err)
	}
	h.world.status, h.world.err = 500, nil
	if err := h.Deliver(h.job, second, true); fault.KindOf(err) != fault.Upstream {
		t.Errorf("a receiver that fails: %v", err)
	}
	off := false
	if _, err := h.UpdateWebhook(h.as(h.member), hook.ID, notify.WebhookChange{Enabled: &off}); err != nil {
		t.Fatal(err)
	}
	h.send(notify.Message{To: notify.Audience{Users: []id.User{h.member}}, Kind: "a", Severity: notify.Info, Title: "Third"})
	list, err := h.Deliveries(h.as(h.member), hook.ID)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	h.same("the second", fmt.Sprintln(list[0].Title, list[0].State, list[0].Attempts, list[0].HTTPStatus, list[0].Error), "Second failed 2 500 HTTP 500\n")
	h.same("the first", fmt.Sprintln(list[1].Title, list[1].State, list[1].Attempts, list[1].HTTPStatus, list[1].Error), "Open delivered 1 204 \n")
	if _, err := h.Deliveries(h.as(h.admin), hook.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("another's deliveries: %v", err)
	}
	if err := h.DeleteWebhook(h.as(h.member), hook.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.Deliver(h.job, second, false); !errors.Is(err, fault.NotFound) {
		t.Errorf("a webhook that is gone: %v", err)
	}
	var audited string
	if err := h.pool.QueryRow(t.Context(), "SELECT string_agg(details::text, ' ') FROM audit_events").Scan(&audited); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(audited+h.log.String(), key.Reveal()) || strings.Contains(audited, "a=b") {
		t.Errorf("a secret is told: %s", audited)
	}
}

func TestWebhooksAreFewAndWellFormed(t *testing.T) {
	t.Parallel()
	h := open(t)
	ctx := h.as(h.member)
	for _, bad := range []string{"", "example.com", "ftp://example.com", "https://", "https://user:pass@example.com", "https://example.com/#a", "https://example.com/" + strings.Repeat("a", 500)} {
		if _, _, err := h.CreateWebhook(ctx, bad, secret.Text{}); !errors.Is(err, fault.Invalid) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
	for _, bad := range []string{"short", "whsec_dGlueQ==", "whsec_" + strings.Repeat("*", 40), strings.Repeat("a", 201)} {
		if _, _, err := h.CreateWebhook(ctx, "https://example.com", secret.NewText(bad)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	for range notify.MaxWebhooks {
		if _, own, err := h.CreateWebhook(ctx, "https://example.com", secret.NewText("sixteen-or-more-letters")); err != nil || own.Reveal() != "sixteen-or-more-letters" {
			t.Fatal(own, err)
		}
	}
	if _, _, err := h.CreateWebhook(ctx, "https://example.com", secret.Text{}); !errors.Is(err, fault.Conflict) {
		t.Errorf("one too many: %v", err)
	}
}

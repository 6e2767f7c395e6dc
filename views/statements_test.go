package views_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/provider"
	"aihigress/internal/usage"
)

// used books calls as the booker does, and the charges with them.
func (s *site) used(t *testing.T, events ...usage.Event) {
	t.Helper()
	spool, err := usage.OpenSpool(t.TempDir(), s.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := spool.Finish(e); err != nil {
			t.Fatal(err)
		}
	}
	booker := usage.NewBooker(usage.BookerOptions{Pool: s.pool, Spool: spool, Ledger: s.ledger, Leases: noLeases{}, Bus: everybody{}, Log: s.log})
	if err := booker.Drain(authz.With(t.Context(), authz.Job("test"))); err != nil {
		t.Fatal(err)
	}
	if err := spool.Close(); err != nil {
		t.Fatal(err)
	}
}

type noLeases struct{}

func (noLeases) Booked(id.Account, money.Amount) {}

// call is one that the user made now.
func (s *site) call(t *testing.T, user id.User, provider id.Provider, model string, charge, cost money.Amount) usage.Event {
	t.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond)
	account, err := s.ledger.Account(authz.With(t.Context(), authz.Job("test")), user)
	if err != nil {
		t.Fatal(err)
	}
	return usage.Event{
		ID: usage.NewID(at), RequestID: "r", StartedAt: at, UserID: user, AccountID: account.ID, KeyID: s.keyOf(t, user), Model: model,
		ProviderID: &provider, ProviderSlug: "main", UpstreamModel: model + "-1", Dialect: "openai", Endpoint: "chat.completions", HTTPStatus: 200,
		Outcome: usage.OK, Duration: time.Second, Usage: llm.Usage{Input: 1000, CachedInput: 200, Output: 300},
		Charge: &charge, Cost: &cost, Tags: map[string]string{"team": "=blue"},
	}
}

// keyOf is a key of the user's own.
func (s *site) keyOf(t *testing.T, user id.User) id.Key {
	t.Helper()
	return s.logged(t, user, func(r *usage.Request) { // in the log of last year, where no statement sees it
		r.StartedAt = time.Now().AddDate(-1, 0, 0)
		r.ID = usage.NewID(r.StartedAt)
	}).KeyID
}

// busy is a site where a member and an admin have used two providers.
func busy(t *testing.T) (*site, provider.Provider) {
	s := newSite(t)
	job := authz.With(t.Context(), authz.Job("test"))
	upstream, err := s.providers.Create(job, provider.CreateInput{
		Name: "Main", Slug: "main", Dialect: "openai", BaseURL: "https://api.example.com/v1", Visibility: provider.Public,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.ledger.Grant(job, credit.GrantInput{UserID: s.member.ID, Amount: 100 * money.Credit}); err != nil {
		t.Fatal(err)
	}
	first := s.call(t, s.member.ID, upstream.ID, "large", 3_250_000_000, 2_000_000_000)
	s.used(t, first, s.call(t, s.member.ID, upstream.ID, "small", 500_000_000, 700_000_000),
		s.call(t, s.admin.ID, upstream.ID, "large", 1_000_000_000, 1))
	if _, _, err := s.ledger.Refund(job, credit.RefundInput{RequestID: first.ID, Amount: ptr(money.Amount(1_250_000_000)), Reason: "broken"}); err != nil {
		t.Fatal(err)
	}
	return s, upstream
}

func TestStatements(t *testing.T) {
	t.Parallel()
	s, upstream := busy(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	member.get("/statements").is(200).shows("large", "small", "3.75", "3.25", "2,000", "/statements/"+time.Now().UTC().Format("2006-01")).hides("Margin", "2.70")
	admin.get("/statements").is(200).shows(">4.75<", "Margin", "2.049999999", "2.700000001")
	admin.get("/statements?by=user").is(200).shows(adminEmail, memberEmail)
	admin.get("/statements?by=provider").is(200).shows("Main")
	admin.get("/statements?by=key&user="+s.member.ID.String()).is(200).shows("production", ">3.75<", "User "+memberEmail, ">Show all</a>").hides(">4.75<")
	admin.get("/statements?provider=" + upstream.ID.String()).is(200).shows("Provider Main")
	admin.get("/statements").hides(">Show all</a>")
	admin.get("/users/" + s.member.ID.String()).is(200).shows(`href="/statements?user=` + s.member.ID.String() + `"`)
	admin.get("/statements?by=tag&tag=team").is(200).shows("=blue")
	admin.get("/statements?by=day&by=model").is(200).shows("Day", "Model", time.Now().UTC().Format(time.DateOnly))
	admin.get("/statements?by=tag").is(422).shows("Say which tag&#39;s values to group by.")
	admin.get("/statements?from=never").is(422).shows("A day must be written as in 2026-11-30.")
	admin.get("/statements?from=2020-01-01&to=2020-01-31").is(200).shows("Nothing was used")
	admin.get("/statements?by=nonsense&model=small").is(200).shows("small").hides("large")
	member.get("/statements?user=" + s.admin.ID.String()).is(404)
	member.get("/statements?provider=" + upstream.ID.String()).is(200).shows("3.75")

	rows := admin.get("/statements/export.csv?by=model&by=user&by=provider&by=key&by=day").is(200).table()
	if got := column(rows, "charge"); len(rows) != 4 || got[0] != "3.25" || column(rows, "user")[0] != memberEmail || column(rows, "provider")[0] != "Main" || column(rows, "margin")[0] != "1.25" || column(rows, "key")[0] != "production" {
		t.Errorf("%q", rows)
	}
	rows = member.get("/statements/export.csv?by=tag&tag=team").is(200).table()
	if len(rows) != 2 || column(rows, "tag_team")[0] != "'=blue" || column(rows, "charge")[0] != "3.75" || column(rows, "cost")[0] != "no column cost" {
		t.Errorf("%q", rows)
	}
	member.get("/statements/export.csv?user=" + s.admin.ID.String()).is(404)
	member.get("/statements/export.csv?month=x").is(422)
}

func TestMonthlyStatement(t *testing.T) {
	t.Parallel()
	s, _ := busy(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	this := time.Now().UTC().Format("2006-01")
	member.get("/statements/"+this).is(200).shows("Opening balance", "Closing balance", "97.50", "-3.75", "1.25", "100.00", "The month is not over", "large", memberEmail, "data-print").hides("Margin<")
	admin.get("/statements/"+this+"?user="+s.member.ID.String()).is(200).shows("97.50", memberEmail, "&amp;user="+s.member.ID.String(), `href="/statements?user=`+s.member.ID.String()+`"`)
	member.get("/statements/2020-01").is(200).shows("0.00", "Nothing was used", "/statements/2019-12", "/statements/2020-02").hides("The month is not over")
	member.get("/statements/" + this + "?user=" + s.admin.ID.String()).is(404)
	for _, bad := range []string{"2020", "2020-13", "x", "0000-01"} {
		member.get("/statements/" + bad).is(404)
	}
}

func TestMargin(t *testing.T) {
	t.Parallel()
	s, _ := busy(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	admin.get("/margin").is(200).shows("By provider", "By model", "By user", "2.049999999", "43.2%", "-0.20", "1.25 credits were refunded", "Main", memberEmail)
	admin.get("/margin?from=2020-01-01&to=2020-01-02").is(200).shows("Nothing was used").hides("refunded")
	admin.get("/margin?from=2020-01-01&to=2019-01-02").is(422).shows("The period must end after it begins.")
	member.get("/margin").is(403)
	member.get("/").hides("/margin", "/reconcile").shows("/statements")
}

// upload sends the reconciliation's form with a table; nothing where its name is empty.
func (b *browser) upload(name, table string, fields ...string) answer {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			b.t.Fatal(err)
		}
	}
	file, err := form.CreateFormFile("table", name)
	if err == nil {
		_, err = file.Write([]byte(table))
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.base+"/reconcile", &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	return b.do(req)
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	s, upstream := busy(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	today := time.Now().UTC().Format(time.DateOnly)
	table := "usage_date_utc,model_version,usage_input_tokens_no_cache,usage_input_tokens_cache_read,usage_output_tokens\n" +
		today + ",large-1,2000,400,601\n" + today + ",Small,1000,200,300\n" + today + ",<b>new</b>,1,2,3\n" + today + ",large-1,NaN,0,0\n"
	admin.get("/reconcile").is(200).shows("Compare a table", "Main", `type="file"`)
	admin.upload("usage.csv", table, "provider", upstream.ID.String(), "names", "Small = small-1", "tolerance", "0").is(200).
		shows("not in our log", "&lt;b&gt;new&lt;/b&gt;", "600", "601", "-1", "Not a number.", "usage_output_tokens", "Small = small-1").hides("not in the table", "<b>")
	admin.upload("usage.csv", table, "tolerance", "0.2", "columns", "cached =\ninput =").is(200).shows("not in the table").hides("601")
	admin.upload("usage.csv", table, "from", "2020-01-01", "to", "2020-01-02").is(200).shows("3 of other days", "1").hides("Differences<")
	for name, c := range map[string]struct {
		file, table string
		fields      []string
		says        string
	}{
		"no file":       {"", "", nil, "Choose a table."},
		"an empty file": {"a.csv", "", nil, "is empty here."},
		"no known name": {"a.csv", "a,b\n1,2\n", nil, "Say which column has the day"},
		"no column":     {"a.csv", table, []string{"columns", "day = when"}, "The table has no column &#34;when&#34;."},
		"a tolerance":   {"a.csv", table, []string{"tolerance", "0.001"}, "at most two decimals"},
		"half a period": {"a.csv", table, []string{"from", "2026-01-01"}, "A day must be written as in"},
		"a large file":  {"a.csv", table + strings.Repeat(today+",m,1,1,1\n", 2_000_000), nil, "at most"},
	} {
		if a := admin.upload(c.file, c.table, c.fields...); a.StatusCode != 422 || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d, without %q", name, a.StatusCode, c.says)
		}
	}
	admin.post("/reconcile", "provider", "x").is(422).shows("Choose a table.")
	member.get("/reconcile").is(403)
	member.upload("usage.csv", table).is(403)
	s.browser(t).upload("usage.csv", table).redirects("/login")
}

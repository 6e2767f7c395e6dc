package statement

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/usage"
)

// sold books calls of one provider, on 2026-03-01 and the day after.
func sold(t *testing.T) (*shop, id.Provider) {
	s := newShop(t, 1)
	first := time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC)
	one := func(at time.Time, provider id.Provider, model string, u llm.Usage, cost money.Amount) usage.Event {
		e := s.event(at)
		e.ProviderID, e.UpstreamModel, e.Usage, e.Cost, e.Charge, e.Outcome, e.Unpriced = &provider, model, u, &cost, &cost, usage.OK, false
		return e
	}
	never := s.event(first)
	never.ProviderID, never.UpstreamModel = nil, ""
	s.book(
		one(first, s.providers[0], "large-1", llm.Usage{Input: 100, CachedInput: 20, CacheWrite5m: 3, CacheWrite1h: 4, Output: 50}, 1_500_000_000),
		one(first, s.providers[0], "large-1", llm.Usage{Input: 1, Output: 1}, 1),
		one(first.Add(time.Second), s.providers[0], "large-1", llm.Usage{Input: 7, Output: 8}, 10),
		one(first.Add(time.Second), s.providers[0], "small-1", llm.Usage{Input: 1000, Output: 10}, 20),
		one(first.Add(time.Second), s.providers[1], "small-1", llm.Usage{Input: 5, Output: 5}, 30),
		never,
	)
	return s, s.providers[0]
}

// told is a reconciliation in lines.
func told(r Reconciliation) (lines []string) {
	for _, d := range r.Differences {
		line := d.Day.Format("01-02") + " " + d.Model
		if d.Missing != Nowhere {
			line += " missing " + string(d.Missing)
		}
		for _, f := range d.Figures {
			if f.Differs {
				line += fmt.Sprintf(" %s %d/%d", f.Figure, f.Ours, f.Theirs)
			}
		}
		lines = append(lines, line)
	}
	for _, b := range r.Bad {
		why := b.Reason
		if b.Column != "" {
			why = b.Column + ": " + why
		}
		lines = append(lines, fmt.Sprintf("line %d: %s", b.Line, why))
	}
	return append(lines, fmt.Sprintf("%d rows, %d agree, %d bad, %d empty, %d outside", r.Rows, r.Agreeing, r.BadRows, r.Empty, r.Outside))
}

func TestVendorsTablesAreReconciled(t *testing.T) {
	t.Parallel()
	s, provider := sold(t)
	ctx := as(t.Context(), authz.Admin, s.customers[0].user)
	march := Period{From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)}
	for name, c := range map[string]struct {
		table string
		in    ReconcileInput
		want  []string
	}{
		"Anthropic's tokens, a row a key": {
			table: `usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count
2026-03-01,large-1,a,Default,standard,≤ 200k,100,3,4,20,50,0
2026-03-01,large-1,b,Default,standard,≤ 200k,1,0,0,0,1,0
2026-03-02,large-1,a,Default,standard,≤ 200k,7,0,0,0,8,0
2026-03-02,small-1,a,Default,standard,≤ 200k,1001,0,0,0,10,0
`,
			want: []string{"03-02 small-1 input 1000/1001", "4 rows, 2 agree, 0 bad, 0 empty, 0 outside"},
		},
		"Anthropic's costs, a row a kind of token": {
			table: `usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type
2026-03-01,Large One,Default,a,message,≤ 200k,input_no_cache,1.4,1.4,token
2026-03-01,Large One,Default,a,message,≤ 200k,output,1.00000001e-1,0.1,token
`,
			in:   ReconcileInput{Period: march, Names: map[string]string{"Large One": "large-1"}},
			want: []string{"03-02 large-1 missing theirs cost 10/0", "03-02 small-1 missing theirs cost 20/0", "2 rows, 1 agree, 0 bad, 0 empty, 0 outside"},
		},
		"OpenAI's completions, with days without use": {
			table: "\ufeffstart_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens\r\n" +
				"1772323200,1772409600,2026-03-01T00:00:00+00:00,2026-03-02T00:00:00+00:00,,2,,,large-1,,,128,51,20,108\r\n" +
				"1772409600,1772496000,2026-03-02T00:00:00+00:00,2026-03-03T00:00:00+00:00,,1,,,large-1,,,7,8,0,7\r\n" +
				"1772496000,1772582400,2026-03-03T00:00:00+00:00,2026-03-04T00:00:00+00:00,,,,,,,,,,,\r\n" +
				"1772236800,1772323200,2026-02-28T00:00:00+00:00,2026-03-01T00:00:00+00:00,,1,,,old-1,,,7,8,0,7\r\n",
			in:   ReconcileInput{Period: march},
			want: []string{"03-01 large-1 input 101/108", "03-02 small-1 missing theirs requests 1/0 input 1000/0 output 10/0", "4 rows, 1 agree, 0 bad, 1 empty, 1 outside"},
		},
		"OpenAI's tokens with cached ones among them, tab-separated": {
			table: "start_time\tnum_model_requests\tmodel\tinput_tokens\toutput_tokens\n1772323200\t2\tlarge-1\t128\t51\n1772409600\t1\tlarge-1\t7\t8\n1772409600\t1\tsmall-1\t1000\t10\n",
			want:  []string{"3 rows, 3 agree, 0 bad, 0 empty, 0 outside"},
		},
		"OpenAI's costs, which tell no models apart": {
			table: "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item\n" +
				"1772323200,1772409600,2026-03-01T00:00:00+00:00,x,1.5000000010000000,usd,\n1772409600,1772496000,2026-03-02T00:00:00+00:00,x,0.00000003,usd,\n" +
				"1772409600,1772496000,2026-03-02T00:00:00+00:00,x,1,eur,\n1772496000,1772582400,2026-03-03T00:00:00+00:00,x,,,\n",
			want: []string{"line 4: amount_currency: costs are compared in US dollars only", "4 rows, 2 agree, 1 bad, 1 empty, 0 outside"},
		},
		"a tolerance": {
			table: "date,model,output_tokens\n2026-03-01,large-1,52\n2026-03-02,large-1,8\n2026-03-02,small-1,11\n",
			in:    ReconcileInput{Tolerance: 200},
			want:  []string{"03-02 small-1 output 10/11", "3 rows, 2 agree, 0 bad, 0 empty, 0 outside"},
		},
		"columns that nobody knows": {
			table: "Tag;Modell;Ausgabe\n2026-03-01 14:00;large-1;51.0\n",
			in:    ReconcileInput{Period: Period{march.From, march.From.AddDate(0, 0, 1)}, Columns: Columns{FigureDay: {"Tag"}, FigureModel: {"Modell"}, FigureOutput: {"Ausgabe"}}},
			want:  []string{"1 rows, 1 agree, 0 bad, 0 empty, 0 outside"},
		},
		"a column less": {
			table: "date,model,output_tokens,requests\n2026-03-01,large-1,51,99\n",
			in:    ReconcileInput{Period: Period{march.From, march.From.AddDate(0, 0, 1)}, Columns: Columns{FigureRequests: nil}},
			want:  []string{"1 rows, 1 agree, 0 bad, 0 empty, 0 outside"},
		},
		"rows that are no good": {
			table: "date,model,output_tokens,cost\n" +
				"2026-03-01,large-1,NaN,1\n2026-03-01,large-1,-5,1\n2026-03-01,large-1,1.5,1\n2026-03-01,large-1,1e3,1\n" +
				"2026-03-01,large-1,9999999999999999,1\n2026-03-01,large-1,99999999999999999999999,1\n2026-13-01,large-1,1,1\nyesterday,large-1,1,1\n,large-1,1,1\n" +
				"2026-03-01,,1,1\n2026-03-01,large-1,1,Infinity\n2026-03-01,large-1,1,-0.5\n2026-03-01,large-1,1,1e999999999\n2026-03-01,large-1,1,1/3\n" +
				"2026-03-01,large-1,1,99999999999999\n2026-03-01,large-1\n2026-03-01,\"large\"-1,1,1\n2026-03-01,large-1,0x10,1\n2026-03-01," + strings.Repeat("m", 300) + ",1,1\n" +
				"2026-03-01,=cmd(),1,$0.1\n2026-03-01,large-1,\"5\n1\",1\n2026-03-01,large-1,51,\"1\n",
			in: ReconcileInput{Period: Period{march.From, march.From.AddDate(0, 0, 1)}},
			want: []string{
				"03-01 =cmd() missing ours output 0/1 cost 0/100000000", "03-01 large-1 missing theirs output 51/0 cost 1500000001/0",
				"line 2: output_tokens: not a number", "line 3: output_tokens: negative", "line 4: output_tokens: not a whole number",
				"line 5: output_tokens: not a number", "line 6: output_tokens: too large", "line 7: output_tokens: too large",
				"line 8: date: not a day, as in 2026-11-30", "line 9: date: not a day, as in 2026-11-30", "line 10: date: empty", "line 11: model: empty",
				"line 12: cost: not a number", "line 13: cost: negative", "line 14: cost: not a number", "line 15: cost: not a number",
				"line 16: cost: too large", "line 17: it has 2 cells, and the head 4", "line 18: its quotes are not closed, or stand within a cell",
				"line 19: output_tokens: not a number", "line 20: model: longer than 256 bytes", "line 22: output_tokens: not a number",
				"line 24: its quotes are not closed, or stand within a cell", "22 rows, 0 agree, 21 bad, 0 empty, 0 outside",
			},
		},
	} {
		c.in.Table, c.in.ProviderID = strings.NewReader(c.table), &provider
		got, err := s.statements.Reconcile(ctx, c.in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := gocmp.Diff(c.want, told(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got.Totals[0].Figure != got.Compared[0] || len(got.Totals) != len(got.Compared) {
			t.Errorf("%s: totals %+v", name, got.Totals)
		}
	}
	every, err := s.statements.Reconcile(ctx, ReconcileInput{Table: strings.NewReader("date,model,output_tokens\n2026-03-02,small-1,15\n2026-03-02,large-1,8\n")})
	if err != nil || every.Agreeing != 2 || len(every.Differences) != 0 {
		t.Errorf("all providers: %+v, %v", every, err)
	}
}

// Costs are kept in credits, and vendors tell US dollars: they are converted before they are compared.
func TestVendorsCostsAreConvertedToCredits(t *testing.T) {
	t.Parallel()
	s, provider := sold(t)
	ctx := as(t.Context(), authz.Admin, s.customers[0].user)
	got, err := New(s.pool, 7_250_000).Reconcile(ctx, ReconcileInput{ // 7.25 credits a dollar
		Table: strings.NewReader("date,model,cost\n2026-03-01,large-1,0.2068965518620689655\n2026-03-02,large-1,1e-9\n2026-03-02,small-1,1\n"), ProviderID: &provider,
	})
	want := []string{"03-02 large-1 cost 10/7", "03-02 small-1 cost 20/7250000000", "3 rows, 1 agree, 0 bad, 0 empty, 0 outside"}
	if err != nil || !slices.Equal(told(got), want) {
		t.Errorf("%q, %v", told(got), err)
	}
}

func TestWhatCannotBeReconciled(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	const good = "date,model,output_tokens\n2026-03-01,m,1\n"
	for name, c := range map[string]struct {
		table string
		in    ReconcileInput
		field string
	}{
		"no table":             {"", ReconcileInput{}, ""},
		"UTF-16":               {"\xff\xfed\x00a\x00", ReconcileInput{}, ""},
		"no rows":              {"date,model,output_tokens\n", ReconcileInput{}, "table"},
		"bad rows alone":       {"date,model,output_tokens\nx,m,1\n", ReconcileInput{}, "table"},
		"no day":               {"model,output_tokens\nm,1\n", ReconcileInput{}, "columns"},
		"no figure":            {"date,model\n2026-03-01,m\n", ReconcileInput{}, "columns"},
		"no such column":       {good, ReconcileInput{Columns: Columns{FigureDay: {"tag"}}}, "columns"},
		"no such figure":       {good, ReconcileInput{Columns: Columns{"x": {"date"}}}, "columns"},
		"two days":             {good, ReconcileInput{Columns: Columns{FigureDay: {"date", "model"}}}, "columns"},
		"a tolerance below 0":  {good, ReconcileInput{Tolerance: -1}, "tolerance"},
		"too many days":        {"date,model,output_tokens\n2026-03-01,m,1\n2026-05-01,m,1\n", ReconcileInput{}, "from"},
		"too long a period":    {good, ReconcileInput{Period: Period{time.Unix(0, 0).UTC(), time.Unix(0, 0).UTC().AddDate(0, 3, 0)}}, "to"},
		"a thousand years ago": {good, ReconcileInput{Period: Period{time.Unix(0, 0).UTC().AddDate(-1000, 0, 0), time.Unix(0, 0).UTC().AddDate(-1000, 0, 1)}}, "from"},
		"more than fits":       {"", ReconcileInput{Table: io.MultiReader(strings.NewReader("date,model,output_tokens\n"), endless("2026-03-01,m,1\n"))}, "table"},
		"one endless cell":     {"", ReconcileInput{Table: io.MultiReader(strings.NewReader("date,model,output_tokens\n\""), endless("x"))}, "table"},
		"endless models":       {"", ReconcileInput{Table: io.MultiReader(strings.NewReader("date,model,output_tokens\n"), &models{})}, "table"},
		"an endless head":      {"", ReconcileInput{Table: endless("x")}, ""},
	} {
		if c.in.Table == nil {
			c.in.Table = strings.NewReader(c.table)
		}
		_, err := s.statements.Reconcile(job(t.Context()), c.in)
		if f, ok := fault.As(err); !ok || f.Kind != fault.Invalid || cmp.Or(f.Path...) != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.statements.Reconcile(as(t.Context(), authz.Member, s.customers[0].user), ReconcileInput{}); !errors.Is(err, fault.Denied) {
		t.Errorf("a member: %v", err)
	}
	broken := io.MultiReader(strings.NewReader(good), readError{})
	if _, err := s.statements.Reconcile(job(t.Context()), ReconcileInput{Table: broken}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an upload that broke off: %v", err)
	}
}

// TestManyBadRowsAreCounted: not all are listed, and none is forgotten.
func TestManyBadRowsAreCounted(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	table := "date,model,output_tokens\n" + strings.Repeat("2026-03-01,m,-1\n", 5000) + "2026-03-01,m,1\n"
	got, err := s.statements.Reconcile(job(t.Context()), ReconcileInput{Table: strings.NewReader(table)})
	if err != nil || got.BadRows != 5000 || len(got.Bad) != maxBad || got.Rows != 5001 || len(got.Differences) != 1 {
		t.Errorf("%d bad, %d listed, %d rows, %v", got.BadRows, len(got.Bad), got.Rows, err)
	}
}

type readError struct{}

func (readError) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// endless says the same again and again.
func endless(text string) io.Reader { return &repeated{text: text} }

type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.text[r.at%len(r.text)]
		r.at++
	}
	return len(p), nil
}

// models says another model in each line.
type models struct{ n int }

func (m *models) Read(p []byte) (int, error) {
	m.n++
	return copy(p, fmt.Sprintf("2026-03-01,model-%d,1\n", m.n)), nil
}

// Figures are near where the exact difference is within the exact share of the larger.
func TestNear(t *testing.T) {
	t.Parallel()
	if !near(math.MaxInt64, math.MaxInt64, 0) || near(math.MaxInt64, math.MaxInt64-1, 0) || !near(0, math.MaxInt64, 10_000) || near(0, 1, 9_999) || !near(0, 0, 0) {
		t.Error("at the ends")
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, tol := rapid.Int64Range(0, 1e12).Draw(t, "a"), rapid.Int64Range(0, 1e12).Draw(t, "b"), rapid.Int64Range(0, 10_000).Draw(t, "tolerance")
		if d := max(a, b) - min(a, b); near(a, b, int(tol)) != (d <= max(a, b)/10_000*tol+max(a, b)%10_000*tol/10_000) {
			t.Fatalf("%d and %d by %d", a, b, tol)
		}
	})
}

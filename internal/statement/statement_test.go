package statement

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/usage"
)

// wanted are the lines that a statement of these events has, by their group.
func wanted(events []usage.Event, in Input) map[string]Sums {
	want := map[string]Sums{}
	f := in.Filter
	for _, e := range events {
		provider := id.Provider{}
		if e.ProviderID != nil {
			provider = *e.ProviderID
		}
		if e.StartedAt.Before(in.From) || !e.StartedAt.Before(in.To) || f.UserID != nil && e.UserID != *f.UserID ||
			f.KeyID != nil && e.KeyID != *f.KeyID || f.ProviderID != nil && provider != *f.ProviderID || f.Model != "" && e.Model != f.Model {
			continue
		}
		var g Group
		for _, d := range in.GroupBy {
			switch d {
			case ByUser:
				g.UserID = &e.UserID
			case ByKey:
				g.KeyID = &e.KeyID
			case ByModel:
				g.Model = &e.Model
			case ByProvider:
				g.ProviderID = &provider
			case ByTag:
				g.Tag = new(e.Tags[in.Tag])
			case ByDay:
				g.Day = new(e.StartedAt.Truncate(day))
			}
		}
		s := want[nameOf(g)]
		one := Sums{usage.Counts{
			Requests: 1, Input: e.Usage.Input, CachedInput: e.Usage.CachedInput, CacheWrite: e.Usage.CacheWrite5m + e.Usage.CacheWrite1h,
			Output: e.Usage.Output, Reasoning: e.Usage.Reasoning,
		}}
		if e.Outcome.Failed() {
			one.Errors = 1
		}
		if e.Outcome == usage.Refused {
			one.Refused = 1
		}
		if e.Unpriced {
			one.Unpriced = 1
		}
		if e.Charge != nil {
			one.Charge, one.Cost = *e.Charge, *e.Cost
		}
		s.Merge(one.Counts)
		want[nameOf(g)] = s
	}
	return want
}

func nameOf(g Group) string {
	text := ""
	if g.UserID != nil {
		text += g.UserID.String()
	}
	if g.KeyID != nil {
		text += g.KeyID.String()
	}
	if g.Model != nil {
		text += "m" + *g.Model
	}
	if g.ProviderID != nil {
		text += "p" + g.ProviderID.String()
	}
	if g.Tag != nil {
		text += "t" + *g.Tag
	}
	if g.Day != nil {
		text += g.Day.Format(time.DateOnly)
	}
	return text
}

// busy is a shop with thousands of requests over the last twelve days, booked a part at a time with folds between and some
// left unfolded, and with grants, adjustments and refunds.
func busy(t *testing.T) (*shop, []usage.Event) {
	s := newShop(t, 4)
	now := time.Now()
	within := func() time.Time { return now.Add(-time.Duration(s.random.Int64N(int64(12 * day)))) }
	for _, c := range s.customers {
		for range 20 {
			s.moves(c, credit.KindGrant, 1+money.Amount(s.random.Int64N(1e12)), within())
			s.moves(c, credit.KindAdjustment, 1+money.Amount(s.random.Int64N(1e12)), within())
		}
		s.moves(c, credit.KindAdjustment, -12_345, within())
	}
	var events []usage.Event
	for range 4 {
		var part []usage.Event
		for range 1500 {
			part = append(part, s.event(within()))
		}
		s.book(part...)
		must(t, s.reports.Fold(job(t.Context())))
		s.exec(`UPDATE usage_buckets SET updated_at = updated_at - interval '1 hour' WHERE step_seconds = 60`) // well before the fold
		events = append(events, part...)
	}
	var late []usage.Event
	for range 10 { // some days stay whole, some hours
		late = append(late, s.event(within()))
	}
	s.book(late...)
	events = append(events, late...)
	for _, e := range events[:300] {
		if e.Charge != nil && *e.Charge > 0 {
			s.refunds(e, within())
		}
	}
	return s, events
}

// TestAStatementIsWhatTheLedgerSays: over any days and by any grouping the lines are the requests, and their charges the
// ledger's, to the last unit; and what an account had, with all that moved it, is what it has.
func TestAStatementIsWhatTheLedgerSays(t *testing.T) {
	t.Parallel()
	s, events := busy(t)
	ctx := as(t.Context(), authz.Admin, s.customers[0].user)
	today := time.Now().UTC().Truncate(day)
	groups := [][]Dimension{
		nil, {ByUser}, {ByKey}, {ByModel}, {ByProvider}, {ByTag}, {ByDay}, {ByDay, ByModel, ByProvider}, {ByUser, ByTag}, {ByUser, ByModel},
		{ByProvider, ByUser, ByDay},
	}
	charged := money.Amount(0)
	for range 60 {
		from := today.AddDate(0, 0, -s.random.IntN(13))
		in := Input{Period: Period{From: from, To: from.AddDate(0, 0, 1+s.random.IntN(13))}, GroupBy: pick(s, groups), Lines: MaxLines}
		if slices.Contains(in.GroupBy, ByTag) {
			in.Tag = "team"
		}
		var user *id.User
		if s.random.IntN(2) == 0 {
			user = new(pick(s, s.customers).user)
			in.Filter.UserID = user
		}
		apart := s.random.IntN(5) // what the ledger knows nothing of
		switch apart {
		case 0:
			in.Filter.KeyID = new(pick(s, pick(s, s.customers).keys))
		case 1:
			in.Filter.ProviderID = new(pick(s, s.providers))
		case 2:
			in.Filter.Model = "large"
		}
		got, err := s.statements.Statement(ctx, in)
		must(t, err)
		lines := map[string]Sums{}
		for _, l := range got.Lines {
			lines[nameOf(l.Group)] = l.Sums
		}
		want := wanted(events, in)
		if diff := gocmp.Diff(want, lines); diff != "" || len(got.Lines) != len(want) {
			t.Fatalf("by %v of %v to %v (-want +got):\n%s", in.GroupBy, in.From, in.To, diff)
		}
		if (apart > 2 && got.Uncounted() != 0) || got.More != 0 {
			t.Errorf("by %v: %s uncounted, %d more", in.GroupBy, got.Uncounted(), got.More)
		}
		entries := query[int64](s, `SELECT coalesce(-sum(amount), 0)::bigint FROM credit_entries e JOIN credit_accounts a ON a.id = e.account_id
			WHERE kind = 'charge' AND e.created_at >= $1 AND e.created_at < $2 AND ($3::uuid IS NULL OR a.user_id = $3)`, in.From, in.To, user)
		if apart > 2 && got.Total.Charge != money.Amount(entries) {
			t.Errorf("by %v: charges %s, and %s in the ledger", in.GroupBy, got.Total.Charge, money.Amount(entries))
		}
		charged = charged.Add(got.Total.Charge)
		in.Lines = 2
		short, err := s.statements.Statement(ctx, in)
		must(t, err)
		sum := short.Rest
		for _, l := range short.Lines {
			sum.Merge(l.Counts)
		}
		if sum != got.Total || short.Total != got.Total || int(short.More)+len(short.Lines) != len(got.Lines) {
			t.Errorf("by %v, cut short: %+v of %+v", in.GroupBy, sum, got.Total)
		}
	}
	if charged == 0 {
		t.Error("nothing was charged")
	}
	for _, c := range s.customers {
		s.monthlyAgrees(c)
	}
}

// monthlyAgrees checks a customer's month and the one before.
func (s *shop) monthlyAgrees(c customer) {
	s.t.Helper()
	this := MonthOf(time.Now())
	var closed money.Amount
	for i, month := range []Period{MonthOf(this.From.Add(-1)), this} {
		m, err := s.statements.Monthly(as(s.t.Context(), authz.Member, c.user), c.user, month)
		must(s.t, err)
		sum := m.Opening
		for _, moved := range m.Ledger {
			sum += moved.Amount
		}
		before := func(at time.Time) money.Amount {
			return money.Amount(query[int64](s, `SELECT coalesce(sum(amount), 0)::bigint FROM credit_entries WHERE account_id = $1 AND created_at < $2`, c.account, at))
		}
		if m.Opening != before(month.From) || m.Closing != before(month.To) || sum != m.Closing {
			s.t.Errorf("%s: opening %s, with all entries %s, closing %s; want %s and %s", month.Month(), m.Opening, sum, m.Closing,
				before(month.From), before(month.To))
		}
		if i == 1 && m.Opening != closed {
			s.t.Errorf("%s opens with %s, and the month before closed with %s", month.Month(), m.Opening, closed)
		}
		closed = m.Closing
		if m.ByModel.Uncounted() != 0 || m.ByDay.Uncounted() != 0 || m.ByModel.Total.Charge != m.ByDay.Total.Charge || m.Over != (i == 0) {
			s.t.Errorf("%s: by model %s, by day %s", month.Month(), m.ByModel.Total.Charge, m.ByDay.Total.Charge)
		}
	}
	balance := query[int64](s, `SELECT balance FROM credit_accounts WHERE id = $1`, c.account)
	if closed != money.Amount(balance) {
		s.t.Errorf("this month closes with %s, and the balance is %s", closed, money.Amount(balance))
	}
}

func TestAMemberSeesTheirOwnAndNoCost(t *testing.T) {
	t.Parallel()
	s := newShop(t, 2)
	now := time.Now()
	var events []usage.Event
	for range 200 {
		events = append(events, s.event(now))
	}
	s.book(events...)
	me, other := s.customers[0].user, s.customers[1].user
	member := as(t.Context(), authz.Member, me)
	in := Input{Period: MonthOf(now), GroupBy: []Dimension{ByUser}}
	got, err := s.statements.Statement(member, in)
	must(t, err)
	if len(got.Lines) != 1 || *got.Lines[0].UserID != me || got.Costs || got.Total.Cost != 0 || got.Total.Charge == 0 || got.Uncounted() != 0 {
		t.Errorf("%+v", got)
	}
	count := 0
	must(t, s.statements.Each(member, in, func(l Line) error {
		count++
		if *l.UserID != me || l.Cost != 0 {
			t.Errorf("%+v", l)
		}
		return nil
	}))
	if count != 1 {
		t.Errorf("%d lines", count)
	}
	in.Filter.UserID = &other
	if _, err := s.statements.Statement(member, in); !errors.Is(err, fault.NotFound) {
		t.Errorf("another's: %v", err)
	}
	if err := s.statements.Each(member, in, nil); !errors.Is(err, fault.NotFound) {
		t.Errorf("another's lines: %v", err)
	}
	if _, err := s.statements.Monthly(member, other, MonthOf(now)); !errors.Is(err, fault.NotFound) {
		t.Errorf("another's month: %v", err)
	}
	all, err := s.statements.Statement(as(t.Context(), authz.Admin, me), Input{Period: MonthOf(now), GroupBy: []Dimension{ByUser}})
	must(t, err)
	if len(all.Lines) != 2 || !all.Costs || all.Total.Cost == 0 || all.Total.Margin() != all.Total.Charge-all.Total.Cost {
		t.Errorf("an admin's: %+v", all)
	}
}

// TestSumsAreRead: where rows are added up by what a statement tells apart, it reads these, once the fold has made them all.
func TestSumsAreRead(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	at := time.Now().Add(-3 * day)
	s.book(s.event(at))
	must(t, s.reports.Fold(job(t.Context())))
	s.exec(`UPDATE usage_folds SET folded_at = folded_at + interval '1 hour'`) // as if it was booked well before
	s.exec(`UPDATE usage_sums SET requests = requests + 10`)
	asked := func(by ...Dimension) int64 {
		t.Helper()
		got, err := s.statements.Statement(job(t.Context()), Input{Period: Period{From: at.UTC().Truncate(day), To: at.UTC().Truncate(day).Add(day)}, GroupBy: by})
		must(t, err)
		return got.Total.Requests
	}
	for _, by := range [][]Dimension{nil, {ByUser}, {ByDay}, {ByKey, ByDay}, {ByUser, ByKey}, {ByProvider}, {ByModel}, {ByUser, ByModel}} {
		if n := asked(by...); n != 11 {
			t.Errorf("by %v there are %d requests, and the sums say 11", by, n)
		}
	}
	if n := asked(ByModel, ByProvider); n != 1 {
		t.Errorf("of what there are no sums, there are %d requests, want 1", n)
	}
	s.exec(`UPDATE usage_folds SET folded_at = folded_at - interval '40 days'`)
	if n := asked(ByUser); n != 1 {
		t.Errorf("where the sums of old hours may be missing, there are %d requests, want 1", n)
	}
}

// TestWhatCameTooLateToBeCountedIsShown: a replay of calls older than minutes are kept is charged, and in no count.
func TestWhatCameTooLateToBeCountedIsShown(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	at := time.Now().Add(-60 * day)
	e := s.event(at)
	e.Charge, e.Cost = new(money.Amount(77)), new(money.Amount(5))
	s.book(e)
	must(t, s.reports.Fold(job(t.Context())))
	got, err := s.statements.Statement(job(t.Context()), Input{Period: MonthOf(at)})
	must(t, err)
	if got.Uncounted() != 77 || got.Total.Charge != 0 {
		t.Errorf("%s uncounted, %+v", got.Uncounted(), got)
	}
	if got, err = s.statements.Statement(job(t.Context()), Input{Period: MonthOf(at), GroupBy: []Dimension{ByTag}, Tag: "team"}); err != nil || got.Uncounted() != 0 || got.Total.Charge != 77 {
		t.Errorf("from the log: %+v, %v", got, err)
	}
}

func TestInputThatMakesNoStatement(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	ok := MonthOf(time.Now())
	long := Period{From: ok.From, To: ok.From.AddDate(0, 0, MaxLogDays+1)}
	for name, c := range map[string]struct {
		in    Input
		field string
	}{
		"no period":        {Input{}, "from"},
		"half a day":       {Input{Period: Period{ok.From, ok.To.Add(time.Hour)}}, "from"},
		"backwards":        {Input{Period: Period{ok.To, ok.From}}, "to"},
		"two years":        {Input{Period: Period{ok.From, ok.From.AddDate(2, 0, 0)}}, "to"},
		"the far future":   {Input{Period: Period{ok.From.AddDate(9000, 0, 0), ok.To.AddDate(9000, 0, 0)}}, "from"},
		"a tag too many":   {Input{Period: ok, Tag: "team"}, "tag"},
		"which tag":        {Input{Period: ok, GroupBy: []Dimension{ByTag}}, "tag"},
		"no text":          {Input{Period: ok, GroupBy: []Dimension{ByTag}, Tag: "\xff"}, "tag"},
		"zero bytes":       {Input{Period: ok, Filter: usage.MetricFilter{Model: "a\x00"}}, "model"},
		"a long tag range": {Input{Period: long, GroupBy: []Dimension{ByTag}, Tag: "team"}, "to"},
		"twice":            {Input{Period: ok, GroupBy: []Dimension{ByDay, ByDay}}, "groupBy"},
		"unknown":          {Input{Period: ok, GroupBy: []Dimension{ByDay + 1}}, "groupBy"},
		"too many lines":   {Input{Period: ok, Lines: MaxLines + 1}, "lines"},
	} {
		_, err := s.statements.Statement(job(t.Context()), c.in)
		if f, ok := fault.As(err); !ok || f.Kind != fault.Invalid || cmp.Or(f.Path...) != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "2026", "2026-13", "2026-1", "november", "20260-01", "-001-01"} {
		if p, err := Month(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("month %q: %v, %v", text, p, err)
		}
	}
	p, err := Days("2024-02-28", "2024-02-29")
	if err != nil || p.Days() != 2 || fmt.Sprint(p.Last().Format(time.DateOnly)) != "2024-02-29" || p.Month() != "" {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := s.statements.Monthly(job(t.Context()), s.customers[0].user, p); !errors.Is(err, fault.Invalid) {
		t.Errorf("a month of two days: %v", err)
	}
	if _, err := s.statements.Monthly(job(t.Context()), id.New[id.User](), ok); !errors.Is(err, fault.NotFound) {
		t.Errorf("nobody's month: %v", err)
	}
}

package views

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/internal/statement"
	"aihigress/internal/usage"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// dimensions are what statements are grouped by, by their names in the address.
var dimensions = []struct {
	Name string
	By   statement.Dimension
}{
	{"model", statement.ByModel}, {"day", statement.ByDay}, {"key", statement.ByKey}, {"provider", statement.ByProvider},
	{"user", statement.ByUser}, {"tag", statement.ByTag},
}

type statementsView struct {
	statement.Statement
	Input    statement.Input
	Form     statementForm
	Names    lineNames
	Months   []string // that have a page of their own, the last first
	Admin    bool
	CSV      string // the address of the same as a table
	Problems problems
}

// statementForm is the address of a statement.
type statementForm struct {
	First, Last string // days
	By          []string
	Tag         string
	Model       string
	User, Key   string // identifiers
	Provider    string
}

func (f statementForm) by(name string) bool { return slices.Contains(f.By, name) }

// readPeriod is the month or the days that an address names, this month where it names none.
func readPeriod(q url.Values, now time.Time) (statement.Period, error) {
	month, first, last := q.Get("month"), q.Get("from"), q.Get("to")
	switch {
	case month != "":
		return statement.Month(month)
	case first == "" && last == "":
		return statement.MonthOf(now), nil
	case last == "":
		last = now.UTC().Format(time.DateOnly)
	}
	return statement.Days(first, last)
}

// periodName is the period as part of a file's name.
func periodName(p statement.Period) string {
	if month := p.Month(); month != "" {
		return month
	}
	return p.From.Format(time.DateOnly) + "-to-" + p.Last().Format(time.DateOnly)
}

// readStatement is what an address asks for, by model where it does not say.
func readStatement(r *http.Request) (statement.Input, statementForm, error) {
	q := r.URL.Query()
	text := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	form := statementForm{
		First: text("from"), Last: text("to"), Tag: text("tag"), Model: text("model"), User: text("user"), Key: text("key"),
		Provider: text("provider"),
	}
	for _, d := range dimensions {
		if slices.Contains(q["by"], d.Name) {
			form.By = append(form.By, d.Name)
		}
	}
	if len(form.By) == 0 {
		form.By = []string{"model"}
	}
	period, err := readPeriod(q, time.Now())
	in := statement.Input{Period: period, Filter: usage.MetricFilter{
		UserID: readID[id.User](form.User), KeyID: readID[id.Key](form.Key), ProviderID: readID[id.Provider](form.Provider), Model: form.Model,
	}}
	if err != nil {
		return in, form, err
	}
	form.First, form.Last = period.From.Format(time.DateOnly), period.Last().Format(time.DateOnly)
	for _, d := range dimensions {
		if form.by(d.Name) {
			in.GroupBy = append(in.GroupBy, d.By)
		}
	}
	if form.by("tag") {
		in.Tag = form.Tag
	}
	return in, form, nil
}

// readID is the identifier that an address names, nil where it names none. What is not one is replaced by one that nothing
// has.
func readID[T interface {
	~struct{ uuid.UUID }
	String() string
}](text string,
) *T {
	if text == "" {
		return nil
	}
	v, err := id.Parse[T](text)
	if err != nil {
		v = id.New[T]()
	}
	return &v
}

func (c *console) statements(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	in, form, err := readStatement(r)
	v := statementsView{Input: in, Form: form, Admin: admin(r), CSV: csvAddress("/statements/export.csv", form)}
	status := http.StatusOK
	if err == nil {
		v.Statement, err = c.Statements.Statement(ctx, in)
	}
	if p, code, ok := refused(r, err); ok {
		v.Problems, status, err = p, code, nil
	}
	if err != nil {
		return err
	}
	cut := statement.Line{Group: statement.Group{UserID: in.Filter.UserID, KeyID: in.Filter.KeyID, ProviderID: in.Filter.ProviderID}}
	if v.Names, err = c.namesOfLines(ctx, append(v.Lines, cut)); err != nil {
		return err
	}
	v.Months = lastMonths(time.Now(), 6)
	return c.render(w, r, status, statementsPage(c.frame(r, ui.Statements, i18n.T(ctx, "Statements")), v))
}

// lastMonths are the names of as many months, this one first.
func lastMonths(now time.Time, n int) []string {
	months := make([]string, n)
	for i := range months {
		p := statement.MonthOf(now)
		months[i], now = p.Month(), p.From.Add(-time.Second)
	}
	return months
}

func csvAddress(path string, f statementForm) string {
	q := url.Values{"from": {f.First}, "to": {f.Last}, "by": f.By}
	for name, value := range map[string]string{"tag": f.Tag, "model": f.Model, "user": f.User, "key": f.Key, "provider": f.Provider} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return path + "?" + q.Encode()
}

// statementsExport is a statement as a table, all lines of it.
func (c *console) statementsExport(w http.ResponseWriter, r *http.Request) error {
	in, form, err := readStatement(r)
	if err != nil {
		return err
	}
	return c.export(w, r, "statement-"+periodName(in.Period)+".csv", statementHead(form, admin(r)),
		func(ctx context.Context, put func(cells ...string) error) error {
			gathered := make([]statement.Line, 0, namedAtOnce)
			flush := func() error {
				names, err := c.namesOfLines(ctx, gathered)
				if err != nil {
					return err
				}
				for _, line := range gathered {
					if err := put(statementCells(form, line, names, admin(r))...); err != nil {
						return err
					}
				}
				gathered = gathered[:0]
				return nil
			}
			err := c.Statements.Each(ctx, in, func(line statement.Line) error {
				if gathered = append(gathered, line); len(gathered) < namedAtOnce {
					return nil
				}
				return flush()
			})
			if err != nil {
				return err
			}
			return flush()
		})
}

// namedAtOnce is for how many lines of a table names are looked up together.
const namedAtOnce = 100

func statementHead(f statementForm, costs bool) (head []string) {
	for _, d := range dimensions {
		switch {
		case !f.by(d.Name):
		case d.Name == "key", d.Name == "user", d.Name == "provider":
			head = append(head, d.Name+"_id", d.Name)
		case d.Name == "tag":
			head = append(head, "tag_"+f.Tag)
		default:
			head = append(head, d.Name)
		}
	}
	head = append(head, "requests", "errors", "refused", "unpriced", "input_tokens", "cached_input_tokens", "cache_write_tokens",
		"output_tokens", "reasoning_tokens", "charge")
	if costs {
		head = append(head, "cost", "margin")
	}
	return head
}

func statementCells(f statementForm, l statement.Line, n lineNames, costs bool) (cells []string) {
	for _, d := range dimensions {
		if !f.by(d.Name) {
			continue
		}
		switch d.By {
		case statement.ByModel:
			cells = append(cells, *l.Model)
		case statement.ByDay:
			cells = append(cells, l.Day.Format(time.DateOnly))
		case statement.ByKey:
			cells = append(cells, l.KeyID.String(), n.Keys[*l.KeyID])
		case statement.ByUser:
			cells = append(cells, l.UserID.String(), n.Users[*l.UserID])
		case statement.ByTag:
			cells = append(cells, *l.Tag)
		case statement.ByProvider:
			provider := ""
			if !l.ProviderID.IsZero() {
				provider = l.ProviderID.String()
			}
			cells = append(cells, provider, n.Providers[*l.ProviderID])
		}
	}
	for _, count := range []int64{l.Requests, l.Errors, l.Refused, l.Unpriced, l.Input, l.CachedInput, l.CacheWrite, l.Output, l.Reasoning} {
		cells = append(cells, strconv.FormatInt(count, 10))
	}
	cells = append(cells, l.Charge.String())
	if costs {
		cells = append(cells, l.Cost.String(), l.Margin().String())
	}
	return cells
}

// lineNames are what the identifiers in lines are called.
type lineNames struct {
	names
	Users map[id.User]string
}

// namesOfLines looks up what lines refer to, by at most one query a noun.
func (c *console) namesOfLines(ctx context.Context, lines []statement.Line) (lineNames, error) {
	n := lineNames{names: names{Keys: map[id.Key]string{}, Providers: map[id.Provider]string{}}, Users: map[id.User]string{}}
	for _, l := range lines {
		if l.UserID != nil {
			n.Users[*l.UserID] = ""
		}
		if l.KeyID != nil {
			n.Keys[*l.KeyID] = ""
		}
		if l.ProviderID != nil && !l.ProviderID.IsZero() {
			n.Providers[*l.ProviderID] = ""
		}
	}
	err := named(ctx, n.Users, c.Users.ByIDs, func(u account.User) (id.User, string) { return u.ID, u.Email })
	if err == nil {
		err = named(ctx, n.Keys, c.Keys.ByIDs, func(k apikey.Key) (id.Key, string) { return k.ID, k.Name })
	}
	if err == nil {
		err = named(ctx, n.Providers, c.Providers.ByIDs, func(p provider.Provider) (id.Provider, string) { return p.ID, p.Name })
	}
	return n, err
}

// named fills in what things are called whose identifiers are the keys.
func named[ID comparable, Thing any](ctx context.Context, into map[ID]string, find func(context.Context, []ID) ([]Thing, error), name func(Thing) (ID, string)) error {
	if len(into) == 0 {
		return nil
	}
	found, err := find(ctx, slices.Collect(maps.Keys(into)))
	for _, thing := range found {
		thingID, called := name(thing)
		into[thingID] = called
	}
	return err
}

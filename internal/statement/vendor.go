package statement

import (
	"errors"
	"io"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/money"
	"aihigress/internal/sheet"
)

const (
	// MaxTable is how long a vendor's table is at most, in bytes.
	MaxTable = 32 << 20
	// MaxRows is how many rows it has at most, and maxPlaces for how many days and models together.
	MaxRows   = 1_000_000
	maxPlaces = 20_000
	// maxBad is how many rows that cannot be used are listed; all are counted.
	maxBad = 200
	// maxCell is what one cell says at most, in tokens or calls: far above any day of anybody.
	maxCell = 1_000_000_000_000_000
	// maxName is how long a model's name is at most, in bytes.
	maxName = 256
)

// A Figure is what a column of a vendor's table says.
type Figure string

// The figures. A day is needed, and one of those after the model.
const (
	FigureDay        Figure = "day"
	FigureModel      Figure = "model"
	FigureRequests   Figure = "requests"
	FigureInput      Figure = "input"      // tokens that no cache had
	FigureAllInput   Figure = "allInput"   // with those read from caches and written to them
	FigureCached     Figure = "cached"     // tokens read from caches
	FigureCacheWrite Figure = "cacheWrite" // tokens written to caches, for whatever time
	FigureOutput     Figure = "output"     // tokens, reasoning included
	FigureCost       Figure = "cost"       // in US dollars
)

// Figures are all of them, in the order in which they are shown.
func Figures() []Figure {
	return []Figure{
		FigureDay, FigureModel, FigureRequests, FigureInput, FigureAllInput, FigureCached, FigureCacheWrite, FigureOutput, FigureCost,
	}
}

// known are the columns that vendors' exports have, by how columnName writes them; the first that is there is taken.
// OpenAI's input_tokens include cached ones, and so do the older n_context_tokens_total; Anthropic's exports tell them apart.
var known = map[Figure][]string{
	FigureDay: {
		"usage_date_utc", "start_time_iso", "date", "day", "usage_date", "date_utc", "starting_at", "bucket_start", "start_time", "timestamp",
	},
	FigureModel:    {"model_version", "model", "model_name", "model_id", "snapshot_id"},
	FigureRequests: {"num_model_requests", "requests", "n_requests", "num_requests", "request_count"},
	FigureInput:    {"usage_input_tokens_no_cache", "uncached_input_tokens", "input_uncached_tokens"},
	FigureAllInput: {"input_tokens", "prompt_tokens", "n_context_tokens_total"},
	FigureCached: {
		"usage_input_tokens_cache_read", "cache_read_input_tokens", "input_cached_tokens", "cached_input_tokens", "n_cached_context_tokens_total",
	},
	FigureCacheWrite: {"cache_creation_input_tokens"},
	FigureOutput:     {"usage_output_tokens", "output_tokens", "completion_tokens", "n_generated_tokens_total"},
	FigureCost:       {"cost_usd", "amount_value", "amount_usd", "cost", "amount"},
}

// knownSums are columns that a figure is the sum of, where the table has any of them.
var knownSums = map[Figure][]string{
	FigureCacheWrite: {
		"usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write_1h",
		"cache_creation_ephemeral_5m_input_tokens", "cache_creation_ephemeral_1h_input_tokens",
	},
}

// currencies are columns that say what a cost is in.
var currencies = []string{"amount_currency", "currency"}

// columnName is a column's name as known has it.
func columnName(name string) string {
	return strings.NewReplacer(" ", "_", "-", "_", ".", "_").Replace(strings.ToLower(strings.TrimSpace(name)))
}

// Columns are which columns say what; a figure of several is their sum. What is not there is not in the table.
type Columns map[Figure][]string

// guess finds the columns that are known.
func guess(head []string) Columns {
	find := func(name string) (string, bool) {
		i := slices.IndexFunc(head, func(h string) bool { return columnName(h) == name })
		if i < 0 {
			return "", false
		}
		return head[i], true
	}
	found := Columns{}
	for figure, names := range known {
		for _, name := range knownSums[figure] {
			if column, ok := find(name); ok {
				found[figure] = append(found[figure], column)
			}
		}
		for _, name := range names {
			if column, ok := find(name); ok && len(found[figure]) == 0 {
				found[figure] = []string{column}
			}
		}
	}
	_, apart := find("cache_read_input_tokens") // Anthropic's names, whose input_tokens are those that no cache had
	if all := found[FigureAllInput]; apart && len(found[FigureInput]) == 0 && len(all) == 1 && columnName(all[0]) == "input_tokens" {
		found[FigureInput] = all
	}
	if len(found[FigureInput]) > 0 {
		delete(found, FigureAllInput) // it is the same, and the finer one tells more
	}
	return found
}

// choose is the guess with what the reader says otherwise; a figure whose columns are given as none is left out.
func choose(head []string, said Columns) (Columns, error) {
	columns := guess(head)
	for figure, names := range said {
		if !slices.Contains(Figures(), figure) {
			return nil, fault.Field("columns", "there is no figure %q", string(figure))
		}
		if len(names) == 0 {
			delete(columns, figure)
			continue
		}
		for _, name := range names {
			if !slices.Contains(head, name) {
				return nil, fault.Field("columns", "the table has no column %q", name)
			}
		}
		columns[figure] = names
	}
	if len(columns[FigureDay]) != 1 {
		return nil, fault.Field("columns", "say which column has the day: none of the known ones is there")
	}
	if len(columns[FigureModel]) > 1 {
		return nil, fault.Field("columns", "one column has the model")
	}
	for _, f := range Figures()[2:] {
		if len(columns[f]) > 0 {
			return columns, nil
		}
	}
	return nil, fault.Field("columns", "say which columns have requests, tokens or cost: none of the known ones is there")
}

// A BadRow is a row of a table that cannot be used.
type BadRow struct {
	Line   int
	Column string // whose cell is the reason; empty where it is the row
	Reason string
}

// A cellError makes a row a bad one.
type cellError struct {
	column string
	why    *fault.Error
}

func (e *cellError) Error() string { return e.column + ": " + e.why.Message }

// A place is what vendors' figures are told apart by.
type place struct {
	day   time.Time
	model string // empty where the table does not say
}

// vendorTable is a table as it was read.
type vendorTable struct {
	head    []string
	columns Columns
	theirs  map[place]*[9]int64 // by the figures' order; cost in units of money.Amount
	rows    int                 // all
	empty   int                 // that say nothing, as exports have them of days without use
	outside int                 // of days that were not asked for
	bad     []BadRow            // at most maxBad
	badRows int                 // all of them
	dollar  *big.Rat            // in credits
}

// readTable adds the rows of a table up, of the days of a period where that is not zero.
func readTable(in ReconcileInput, dollar money.Price) (*vendorTable, error) {
	limited := &limitedReader{r: in.Table, left: MaxTable}
	rows, err := sheet.NewReader(limited)
	if err != nil {
		return nil, err
	}
	t := &vendorTable{head: rows.Head(), theirs: map[place]*[9]int64{}, dollar: big.NewRat(int64(dollar), int64(oneCredit))}
	if t.columns, err = choose(t.head, in.Columns); err != nil {
		return nil, err
	}
	at := t.places()
	for {
		cells, line, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if t.rows++; t.rows > MaxRows {
			return nil, fault.Field("table", "a table has at most %d rows", MaxRows)
		}
		if bad, ok := errors.AsType[*sheet.RowError](err); ok {
			t.refuse(BadRow{Line: bad.Line, Reason: bad.Reason})
			continue
		}
		if err != nil {
			return nil, err
		}
		err = t.add(at, cells, in.Names, in.Period)
		if bad, ok := errors.AsType[*cellError](err); ok {
			t.refuse(BadRow{Line: line, Column: bad.column, Reason: bad.why.Message})
		} else if err != nil {
			return nil, err
		}
	}
}

// places are the indexes of the columns, by the figures' order; the last are those of currencies.
func (t *vendorTable) places() [][]int {
	at := make([][]int, len(Figures())+1)
	for i, f := range Figures() {
		for _, name := range t.columns[f] {
			at[i] = append(at[i], slices.Index(t.head, name))
		}
	}
	for i, name := range t.head {
		if slices.Contains(currencies, columnName(name)) {
			at[len(Figures())] = append(at[len(Figures())], i)
		}
	}
	return at
}

func (t *vendorTable) refuse(row BadRow) {
	t.badRows++
	if len(t.bad) < maxBad {
		t.bad = append(t.bad, row)
	}
}

// add adds one row. A cellError is the row's own failure, and others are the table's.
func (t *vendorTable) add(at [][]int, cells []string, names map[string]string, period Period) error {
	var figures [9]int64
	blank := true
	for i, f := range Figures()[2:] {
		for _, column := range at[i+2] {
			text := strings.TrimSpace(cells[column])
			if text == "" {
				continue
			}
			blank = false
			n, bad := t.readFigure(f, text)
			if bad == nil && n > math.MaxInt64-figures[i+2] {
				bad = tooLarge()
			}
			if bad != nil {
				return &cellError{t.head[column], bad}
			}
			figures[i+2] += n
		}
	}
	model := ""
	if len(at[1]) > 0 {
		model = strings.TrimSpace(cells[at[1][0]])
	}
	if blank && model == "" {
		t.empty++
		return nil
	}
	day, bad := readDay(strings.TrimSpace(cells[at[0][0]]))
	switch {
	case bad != nil:
		return &cellError{t.head[at[0][0]], bad}
	case len(at[1]) > 0 && model == "":
		return &cellError{t.head[at[1][0]], emptyCell()}
	case len(model) > maxName:
		return &cellError{t.head[at[1][0]], fault.New(fault.Invalid, "longer than %d bytes", maxName)}
	}
	if len(at[8]) > 0 {
		for _, column := range at[len(Figures())] {
			if currency := strings.TrimSpace(cells[column]); currency != "" && !strings.EqualFold(currency, "usd") {
				return &cellError{t.head[column], fault.New(fault.Invalid, "costs are compared in US dollars only")}
			}
		}
	}
	if period != (Period{}) && (day.Before(period.From) || !day.Before(period.To)) {
		t.outside++
		return nil
	}
	if ours, ok := names[model]; ok {
		model = ours
	}
	return t.sum(place{day, model}, &figures)
}

// sum adds figures to those of a place.
func (t *vendorTable) sum(p place, figures *[9]int64) error {
	sums := t.theirs[p]
	if sums == nil {
		if len(t.theirs) == maxPlaces {
			return fault.Field("table", "a table has at most %d days and models together", maxPlaces)
		}
		sums = new([9]int64)
		t.theirs[p] = sums
	}
	for i, n := range figures {
		if n > math.MaxInt64-sums[i] {
			return &cellError{t.columns[Figures()[i]][0], tooLarge()}
		}
	}
	for i, n := range figures {
		sums[i] += n
	}
	return nil
}

func tooLarge() *fault.Error   { return fault.New(fault.Invalid, "too large") }
func negative() *fault.Error   { return fault.New(fault.Invalid, "negative") }
func notANumber() *fault.Error { return fault.New(fault.Invalid, "not a number") }
func emptyCell() *fault.Error  { return fault.New(fault.Invalid, "empty") }

// readFigure reads a cell that is not empty.
func (t *vendorTable) readFigure(f Figure, text string) (int64, *fault.Error) {
	if f == FigureCost {
		return t.readCost(text)
	}
	whole, places, _ := strings.Cut(text, ".")
	if strings.Trim(places, "0123456789") == "" && strings.Trim(places, "0") != "" {
		return 0, fault.New(fault.Invalid, "not a whole number")
	}
	n, err := strconv.ParseUint(whole, 10, 64)
	switch {
	case strings.Trim(places, "0") != "":
		return 0, notANumber()
	case err != nil && strings.HasPrefix(whole, "-"):
		return 0, negative()
	case errors.Is(err, strconv.ErrRange), err == nil && n > maxCell:
		return 0, tooLarge()
	case err != nil:
		return 0, notANumber()
	}
	return int64(n), nil
}

// decimal is a number as programs write it. Its exponent is bounded, since it is multiplied out.
var decimal = regexp.MustCompile(`^[0-9]{0,15}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,2})?$`)

// readCost reads US dollars as credits, rounded half up to what is kept: 1e-9.
func (t *vendorTable) readCost(text string) (int64, *fault.Error) {
	text = strings.TrimPrefix(text, "$")
	if strings.HasPrefix(text, "-") {
		return 0, negative()
	}
	if !decimal.MatchString(text) {
		return 0, notANumber()
	}
	v, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, notANumber()
	}
	v.Mul(v, t.dollar).Mul(v, new(big.Rat).SetInt64(int64(money.Credit)))
	v.Add(v, big.NewRat(1, 2))
	n := new(big.Int).Quo(v.Num(), v.Denom())
	if !n.IsInt64() {
		return 0, tooLarge()
	}
	return n.Int64(), nil
}

// dayLayouts are how vendors write when a row is of; all are taken for UTC where they do not say.
var dayLayouts = []string{
	time.DateOnly, time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05-07:00",
	"2006-01-02 15:04:05 UTC", "2006/01/02",
}

// readDay reads a time, and is its day in UTC. A bare number is seconds since 1970.
func readDay(text string) (time.Time, *fault.Error) {
	if text == "" {
		return time.Time{}, emptyCell()
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 1e8 && n < 1e11 {
		return time.Unix(n, 0).UTC().Truncate(day), nil
	}
	for _, layout := range dayLayouts {
		if at, err := time.ParseInLocation(layout, text, time.UTC); err == nil && at.Year() >= 1970 && at.Year() < 9999 {
			return at.UTC().Truncate(day), nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "not a day, as in 2026-11-30")
}

// limitedReader refuses what is longer than a table may be.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fault.Field("table", "a table has at most %d MiB", MaxTable>>20)
	}
	return n, err
}

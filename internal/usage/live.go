package usage

type LiveFrame struct{}

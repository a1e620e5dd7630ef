module mentu.dev/dev/cluster/pause

go 1.26

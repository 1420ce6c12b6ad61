module libct

go 1.19

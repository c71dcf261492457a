#include "../../concurrentqueue.h"
